<?php
// Publishes one notice over HTTP and tells what becomes of it until its end. Needs PHP 8.1 with its curl extension.
// KREISFUNK_URL is the address and KREISFUNK_TOKEN the token that the operator gave you.

declare(strict_types=1);

const AGAIN = [0, 408, 429, 500, 502, 503, 504]; // 0: no answer
const ATTEMPTS = 8;
const FINAL_STATES = ['finished', 'rejected', 'cancelled', 'done'];

$url = rtrim((string) getenv('KREISFUNK_URL'), '/');
$authorization = 'Authorization: Bearer ' . getenv('KREISFUNK_TOKEN');

// Your own id of the notice. Store it with the body: to repeat a request, repeat exactly this one.
$notice = $argv[1] ?? 'sperrung-' . bin2hex(random_bytes(8));
$body = json_encode([
    'notice' => $notice,
    'expires_at' => gmdate('Y-m-d\TH:i:s\Z', time() + 12 * 3600),
    'topic' => 'strassensperrungen',
    'headline' => 'Vollsperrung K 9',
    'text' => 'Die Umleitung ist ausgeschildert.',
], JSON_THROW_ON_ERROR);

// Repeats the same request with the same key until it is answered: nothing is sent twice.
for ($attempt = 1; ; $attempt++) {
    $pause = min(2 ** $attempt, 60);
    $request = curl_init("$url/notices");
    curl_setopt_array($request, [
        CURLOPT_POSTFIELDS => $body,
        CURLOPT_HTTPHEADER => [$authorization, 'Content-Type: application/json', "Idempotency-Key: $notice-1"],
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_TIMEOUT => 30,
        CURLOPT_HEADERFUNCTION => function ($request, string $header) use (&$pause): int {
            if (preg_match('/^Retry-After: *(\d+)/i', $header, $found)) {
                $pause = (int) $found[1];
            }
            return strlen($header);
        },
    ]);
    $answer = curl_exec($request);
    $status = curl_getinfo($request, CURLINFO_RESPONSE_CODE);
    if ($status === 202) {
        break;
    }
    if (!in_array($status, AGAIN, true) || $attempt === ATTEMPTS) {
        fwrite(STDERR, ($answer ?: curl_error($request)) . "\n"); // names each wrong field and what would be right
        exit(1);
    }
    sleep($pause);
}

$event = json_decode($answer, true, flags: JSON_THROW_ON_ERROR)['event'];
$last = '';
$rest = '';
// Each stream ends, at a restart or after an hour: then open another, which begins with the current state.
$stream = curl_init($url . $event);
curl_setopt_array($stream, [
    CURLOPT_HTTPHEADER => [$authorization, 'Accept: text/event-stream'],
    CURLOPT_WRITEFUNCTION => function ($stream, string $part) use (&$last, &$rest): int {
        $lines = explode("\n", $rest . $part);
        $rest = array_pop($lines);
        foreach ($lines as $line) {
            if (str_starts_with($line, 'data: ')) {
                $last = json_decode(substr($line, 6), true)['state'];
                echo substr($line, 6), "\n";
            }
        }
        return strlen($part);
    },
]);
do {
    $rest = '';
    curl_exec($stream);
    $status = curl_getinfo($stream, CURLINFO_RESPONSE_CODE);
    if ($status >= 400 && !in_array($status, AGAIN, true)) {
        fwrite(STDERR, "$rest\n");
        exit(1);
    }
} while (!in_array($last, FINAL_STATES, true) && sleep(2) === 0);
exit($last === 'rejected' ? 3 : 0);
