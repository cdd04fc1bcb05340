// Publishes one notice over HTTP and tells what becomes of it until its end. Needs Java 17 and nothing else:
//   java examples/http/Publish.java
// KREISFUNK_URL is the address and KREISFUNK_TOKEN the token that the operator gave you.

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.time.Instant;
import java.util.Set;
import java.util.UUID;

public class Publish {
    static final String URL = System.getenv("KREISFUNK_URL");
    static final String AUTHORIZATION = "Bearer " + System.getenv("KREISFUNK_TOKEN");
    static final Set<Integer> AGAIN = Set.of(408, 429, 500, 502, 503, 504);
    static final int ATTEMPTS = 8;
    static final Set<String> FINAL_STATES = Set.of("finished", "rejected", "cancelled", "done");
    static final HttpClient CLIENT = HttpClient.newBuilder()
        .version(HttpClient.Version.HTTP_1_1).connectTimeout(Duration.ofSeconds(10)).build();

    public static void main(String[] arguments) throws Exception {
        // Your own id of the notice. Store it with the body: to repeat a request, repeat exactly this one.
        String notice = arguments.length > 0 ? arguments[0] : "sperrung-" + UUID.randomUUID();
        String body = """
            {"notice": "%s", "expires_at": "%s", "topic": "strassensperrungen",
             "headline": "Vollsperrung K 9", "text": "Die Umleitung ist ausgeschildert."}
            """.formatted(notice, Instant.now().plus(Duration.ofHours(12)));
        watch(publish(body, notice + "-1"));
    }

    /** Where to follow it. Repeats the same request with the same key until it is answered: nothing is sent twice. */
    static String publish(String body, String key) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(URI.create(URL + "/notices"))
            .timeout(Duration.ofSeconds(30))
            .header("Authorization", AUTHORIZATION)
            .header("Content-Type", "application/json")
            .header("Idempotency-Key", key)
            .POST(HttpRequest.BodyPublishers.ofString(body)).build();
        for (int attempt = 1; ; attempt++) {
            long pause = Math.min(1L << attempt, 60);
            try {
                HttpResponse<String> answer = CLIENT.send(request, HttpResponse.BodyHandlers.ofString());
                if (answer.statusCode() == 202) return answer.headers().firstValue("Location").orElseThrow();
                if (!AGAIN.contains(answer.statusCode()) || attempt == ATTEMPTS) {
                    System.err.println(answer.body()); // names each wrong field and what would be right
                    System.exit(1);
                }
                pause = answer.headers().firstValueAsLong("Retry-After").orElse(pause);
            } catch (IOException unanswered) {
                if (attempt == ATTEMPTS) throw unanswered;
            }
            Thread.sleep(Duration.ofSeconds(pause).toMillis());
        }
    }

    /** Prints each change until the last. Each stream ends, at a restart or after an hour: then it opens another. */
    static void watch(String location) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(URI.create(URL + location))
            .header("Authorization", AUTHORIZATION).header("Accept", "text/event-stream").build();
        String last = "";
        while (!FINAL_STATES.contains(last)) {
            try {
                var answer = CLIENT.send(request, HttpResponse.BodyHandlers.ofLines());
                if (answer.statusCode() != 200 && !AGAIN.contains(answer.statusCode())) {
                    answer.body().forEach(System.err::println);
                    System.exit(1);
                }
                var lines = answer.body();
                for (String line : (Iterable<String>) lines::iterator) {
                    if (line.startsWith("event: ")) last = line.substring(7);
                    if (line.startsWith("data: ")) System.out.println(line.substring(6));
                }
            } catch (IOException | UncheckedIOException restarting) { }
            if (!FINAL_STATES.contains(last)) Thread.sleep(2_000);
        }
        System.exit(last.equals("rejected") ? 3 : 0);
    }
}
