// Publishes one notice over AMQP and tells what became of it. Needs .NET 8 and RabbitMQ.Client 7:
//   dotnet new console -o publish && cp Publish.cs publish/Program.cs
//   dotnet add publish package RabbitMQ.Client && dotnet run --project publish
// BROKER_URL is amqps://<login>:<password>@<host>/%2F, KREISFUNK_SOURCE the source that belongs to the login.

using System.Text.Json;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

var source = Environment.GetEnvironmentVariable("KREISFUNK_SOURCE") ?? "/landkreis-osterholz/pressestelle";
var factory = new ConnectionFactory { Uri = new Uri(Environment.GetEnvironmentVariable("BROKER_URL")!) };

// Your own id of the notice. Store it with the body: to publish again, publish exactly this one.
var notice = args.Length > 0 ? args[0] : $"sperrung-{Guid.NewGuid()}";
var identifier = $"{notice}-1"; // the same when you publish it again: nothing is sent twice
var now = DateTimeOffset.UtcNow;
var body = JsonSerializer.SerializeToUtf8Bytes(new
{
    specversion = "1.0",
    id = identifier,
    source,
    type = "de.kreisfunk.notice.published.v1",
    time = now,
    subject = notice,
    expirytime = now.AddHours(12),
    datacontenttype = "application/json",
    data = new { topic = "strassensperrungen", headline = "Vollsperrung K 9", text = "Die Umleitung ist ausgeschildert." },
});

await using var connection = await factory.CreateConnectionAsync();
// With tracking, BasicPublishAsync returns with the broker's confirm, and throws if it says no.
await using var channel = await connection.CreateChannelAsync(new CreateChannelOptions(
    publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true));
await channel.BasicQosAsync(prefetchSize: 0, prefetchCount: 100, global: false); // a stream wants it
var answers = new TaskCompletionSource<JsonElement>(TaskCreationOptions.RunContinuationsAsynchronously);
var consumer = new AsyncEventingBasicConsumer(channel);
consumer.ReceivedAsync += async (_, delivery) =>
{
    var said = JsonSerializer.Deserialize<JsonElement>(delivery.Body.Span);
    await channel.BasicAckAsync(delivery.DeliveryTag, multiple: false);
    if (said.GetProperty("data").TryGetProperty("event", out var about) && about.GetString() == identifier) answers.TrySetResult(said);
};
var next = new Dictionary<string, object?> { ["x-stream-offset"] = "next" };
await channel.BasicConsumeAsync("municipal.answers", autoAck: false, consumerTag: "", noLocal: false, exclusive: false, next, consumer); // before publishing: the answer may be fast

var properties = new BasicProperties
{
    ContentType = "application/cloudevents+json",
    MessageId = identifier,
    UserId = factory.UserName,
    Persistent = true,
};
await channel.BasicPublishAsync("municipal.events", "notice.published", mandatory: true, properties, body);

if (await Task.WhenAny(answers.Task, Task.Delay(TimeSpan.FromSeconds(30))) != answers.Task) return 5; // our service is away
var answer = await answers.Task;
Console.WriteLine($"{answer.GetProperty("type")} {answer.GetProperty("data")}");
return answer.GetProperty("type").GetString()!.Contains("rejected") ? 3 : 0;
