// Publishes one notice over HTTP and tells what becomes of it until its end. Needs .NET 8 and nothing else:
//   dotnet new console -o publish && cp Publish.cs publish/Program.cs && dotnet run --project publish
// KREISFUNK_URL is the address and KREISFUNK_TOKEN the token that the operator gave you.

using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;

const int Attempts = 8;
string[] finalStates = ["finished", "rejected", "cancelled", "done"];
var client = new HttpClient { BaseAddress = new Uri(Environment.GetEnvironmentVariable("KREISFUNK_URL")!) };
client.DefaultRequestHeaders.Authorization =
    new AuthenticationHeaderValue("Bearer", Environment.GetEnvironmentVariable("KREISFUNK_TOKEN"));

// Your own id of the notice. Store it with the body: to repeat a request, repeat exactly this one.
var notice = args.Length > 0 ? args[0] : $"sperrung-{Guid.NewGuid()}";
var content = new
{
    notice,
    expires_at = DateTimeOffset.UtcNow.AddHours(12),
    topic = "strassensperrungen",
    headline = "Vollsperrung K 9",
    text = "Die Umleitung ist ausgeschildert.",
};
var location = await PublishAsync();
return await WatchAsync() == "rejected" ? 3 : 0;

// Where to follow it. Repeats the same request with the same key until it is answered: nothing is sent twice.
async Task<Uri> PublishAsync()
{
    for (var attempt = 1; ; attempt++)
    {
        var pause = TimeSpan.FromSeconds(Math.Min(Math.Pow(2, attempt), 60));
        using var request = new HttpRequestMessage(HttpMethod.Post, "/notices") { Content = JsonContent.Create(content) };
        request.Headers.Add("Idempotency-Key", $"{notice}-1");
        try
        {
            using var answer = await client.SendAsync(request);
            if (answer.StatusCode == HttpStatusCode.Accepted) return answer.Headers.Location!;
            var again = (int)answer.StatusCode is 408 or 429 or 500 or 502 or 503 or 504;
            if (!again || attempt == Attempts)
            {
                Console.Error.WriteLine(await answer.Content.ReadAsStringAsync()); // names each wrong field
                Environment.Exit(1);
            }
            pause = answer.Headers.RetryAfter?.Delta ?? pause;
        }
        catch (Exception unanswered) when (
            unanswered is HttpRequestException or TaskCanceledException && attempt < Attempts) { }
        await Task.Delay(pause);
    }
}

// Prints each change; the last state. Each stream ends, at a restart or after an hour: then it opens another.
async Task<string?> WatchAsync()
{
    string? state = null;
    while (!finalStates.Contains(state))
    {
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, location);
            request.Headers.Accept.ParseAdd("text/event-stream");
            using var answer = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
            if (!answer.IsSuccessStatusCode && (int)answer.StatusCode is not (408 or 429 or 500 or 502 or 503 or 504))
            {
                Console.Error.WriteLine(await answer.Content.ReadAsStringAsync());
                Environment.Exit(1);
            }
            using var lines = new StreamReader(await answer.Content.ReadAsStreamAsync());
            while (await lines.ReadLineAsync() is { } line)
            {
                if (!line.StartsWith("data: ")) continue;
                state = JsonDocument.Parse(line[6..]).RootElement.GetProperty("state").GetString();
                Console.WriteLine(line[6..]);
            }
        }
        catch (Exception restarting) when (restarting is HttpRequestException or IOException or TaskCanceledException) { }
        if (!finalStates.Contains(state)) await Task.Delay(2_000);
    }
    return state;
}
