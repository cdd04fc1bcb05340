<?php
// Publishes one notice over AMQP and tells what became of it. Needs PHP 8.1 and php-amqplib/php-amqplib 3 (composer).
// BROKER_URL is amqp://<login>:<password>@<host>:<port>/%2F, KREISFUNK_SOURCE the source that belongs to the login.

declare(strict_types=1);

require __DIR__ . '/vendor/autoload.php';

use PhpAmqpLib\Connection\AMQPStreamConnection;
use PhpAmqpLib\Exception\AMQPTimeoutException;
use PhpAmqpLib\Message\AMQPMessage;
use PhpAmqpLib\Wire\AMQPTable;

$broker = parse_url((string) getenv('BROKER_URL'));
$login = rawurldecode($broker['user']);
$source = getenv('KREISFUNK_SOURCE') ?: '/landkreis-osterholz/pressestelle';

// Your own id of the notice. Store it with the body: to publish again, publish exactly this one.
$notice = $argv[1] ?? 'sperrung-' . bin2hex(random_bytes(8));
$identifier = "$notice-1"; // the same when you publish it again: nothing is sent twice
$event = [
    'specversion' => '1.0',
    'id' => $identifier,
    'source' => $source,
    'type' => 'de.kreisfunk.notice.published.v1',
    'time' => gmdate('Y-m-d\TH:i:s\Z'),
    'subject' => $notice,
    'expirytime' => gmdate('Y-m-d\TH:i:s\Z', time() + 12 * 3600),
    'datacontenttype' => 'application/json',
    'data' => [
        'topic' => 'strassensperrungen',
        'headline' => 'Vollsperrung K 9',
        'text' => 'Die Umleitung ist ausgeschildert.',
    ],
];

// Behind TLS (amqps): AMQPConnectionFactory with a config that has setIsSecure(true).
$connection = new AMQPStreamConnection($broker['host'], $broker['port'] ?? 5672, $login, rawurldecode($broker['pass']));
$channel = $connection->channel();
$answer = null;
$take = function (AMQPMessage $message) use (&$answer, $identifier): void {
    $message->ack();
    $said = json_decode($message->getBody(), true, flags: JSON_THROW_ON_ERROR);
    if (($said['data']['event'] ?? null) === $identifier) {
        $answer = $said;
    }
};
$channel->basic_qos(0, 100, false); // a stream wants it
// Before publishing: the answer may be fast.
$next = new AMQPTable(['x-stream-offset' => 'next']);
$channel->basic_consume('municipal.answers', '', false, false, false, false, $take, null, $next);

$channel->confirm_select();
$channel->set_nack_handler(fn () => throw new RuntimeException('The broker did not take it: publish it again.'));
$channel->set_return_listener(fn () => throw new RuntimeException('The broker has nowhere to put it.'));
$message = new AMQPMessage(json_encode($event, JSON_THROW_ON_ERROR), [
    'content_type' => 'application/cloudevents+json',
    'message_id' => $identifier,
    'user_id' => $login,
    'delivery_mode' => AMQPMessage::DELIVERY_MODE_PERSISTENT,
]);
$channel->basic_publish($message, 'municipal.events', 'notice.published', true);
$channel->wait_for_pending_acks_returns(30);

try {
    while ($answer === null) {
        $channel->wait(null, false, 30);
    }
} catch (AMQPTimeoutException) {
    exit(5); // no answer: our service is away, and answers when it is back
}
echo $answer['type'], ' ', json_encode($answer['data'], JSON_UNESCAPED_UNICODE), "\n";
exit(str_contains($answer['type'], 'rejected') ? 3 : 0);
