// Publishes one notice over AMQP and tells what became of it. Needs Java 17 and com.rabbitmq:amqp-client 5 (with slf4j-api):
//   java -cp 'amqp-client.jar:slf4j-api.jar' examples/amqp/Publish.java
// BROKER_URL is amqps://<login>:<password>@<host>/%2F, KREISFUNK_SOURCE the source that belongs to the login.

import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.TimeUnit;

public class Publish {
    public static void main(String[] arguments) throws Exception {
        String source = System.getenv().getOrDefault("KREISFUNK_SOURCE", "/landkreis-osterholz/pressestelle");
        // Your own id of the notice. Store it with the body: to publish again, publish exactly this one.
        String notice = arguments.length > 0 ? arguments[0] : "sperrung-" + UUID.randomUUID();
        String identifier = notice + "-1"; // the same when you publish it again: nothing is sent twice
        Instant now = Instant.now();
        String event = """
            {"specversion": "1.0", "id": "%s", "source": "%s", "type": "de.kreisfunk.notice.published.v1",
             "time": "%s", "subject": "%s", "expirytime": "%s", "datacontenttype": "application/json",
             "data": {"topic": "strassensperrungen", "headline": "Vollsperrung K 9",
                      "text": "Die Umleitung ist ausgeschildert."}}
            """.formatted(identifier, source, now, notice, now.plus(Duration.ofHours(12)));

        ConnectionFactory factory = new ConnectionFactory();
        factory.setUri(System.getenv("BROKER_URL"));
        try (Connection connection = factory.newConnection(); Channel channel = connection.createChannel()) {
            channel.basicQos(100); // a stream wants it
            var answers = new ArrayBlockingQueue<String>(1);
            Map<String, Object> next = Map.of("x-stream-offset", "next");
            channel.basicConsume("municipal.answers", false, next, (tag, delivery) -> { // before publishing: the answer may be fast
                channel.basicAck(delivery.getEnvelope().getDeliveryTag(), false);
                String said = new String(delivery.getBody(), StandardCharsets.UTF_8);
                if (said.contains("\"" + identifier + "\"")) answers.offer(said); // your JSON library: data.event
            }, tag -> { });

            channel.confirmSelect();
            AMQP.BasicProperties properties = new AMQP.BasicProperties.Builder()
                .contentType("application/cloudevents+json").messageId(identifier)
                .userId(factory.getUsername()).deliveryMode(2).build();
            channel.basicPublish("municipal.events", "notice.published", true, properties,
                event.getBytes(StandardCharsets.UTF_8));
            channel.waitForConfirmsOrDie(30_000);

            String answer = answers.poll(30, TimeUnit.SECONDS);
            System.out.println(answer == null ? "no answer yet: it comes when our service is back" : answer);
            System.exit(answer == null ? 5 : answer.contains("notice.rejected") ? 3 : 0);
        }
    }
}
