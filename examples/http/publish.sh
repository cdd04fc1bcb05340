#!/bin/sh
# Publishes one notice over HTTP and tells what becomes of it until its end. Needs curl 7.71.
# KREISFUNK_URL is the address and KREISFUNK_TOKEN the token that the operator gave you.
set -eu

# Your own id of the notice. Store it with the body: to repeat a request, repeat exactly this one.
notice=${1:-sperrung-$(date +%s)}
expires=$(date -u -d '+12 hours' +%Y-%m-%dT%H:%M:%SZ 2>/dev/null || date -u -v+12H +%Y-%m-%dT%H:%M:%SZ)
body='{"notice": "'$notice'", "expires_at": "'$expires'", "topic": "strassensperrungen",
  "headline": "Vollsperrung K 9", "text": "Die Umleitung ist ausgeschildert."}'

# Repeats it without an answer, and after 429, 503 …: the key makes it the same notice each time.
answer=$(curl -sS --max-time 30 --retry 8 --retry-all-errors "$KREISFUNK_URL/notices" \
  -H "Authorization: Bearer $KREISFUNK_TOKEN" -H 'Content-Type: application/json' \
  -H "Idempotency-Key: $notice-1" -d "$body") || exit 1
event=$(printf '%s' "$answer" | sed -n 's/.*"event":"\([^"]*\)".*/\1/p')
[ -n "$event" ] || { printf '%s\n' "$answer" >&2; exit 1; }
echo "$KREISFUNK_URL$event"

# Each stream ends, at a restart or after an hour: then open another, which begins with the current state.
while :; do
  status=0
  curl -sSN --fail "$KREISFUNK_URL$event" -H "Authorization: Bearer $KREISFUNK_TOKEN" -H 'Accept: text/event-stream' \
    -w '\nstatus: %{http_code}\n' |
    awk '/^data: /{ print substr($0, 7); fflush() } /^event: /{ last = $2 } /^status: /{ code = $2 }
      END { if (last == "rejected") exit 3; if (last ~ /^(finished|cancelled|done)$/) exit 0
        exit code ~ /^4/ && code !~ /^4(08|29)$/ ? 1 : 75 }' || status=$?
  [ "$status" = 75 ] || exit "$status"
  sleep 2
done
