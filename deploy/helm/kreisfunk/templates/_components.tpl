{{- /*
Our components by name:
  command      its command; without one, a tool: a Deployment of no replicas, for `kubectl exec` while it is scaled up
  once         true for a Job
  secrets      Secrets by their names in .Values.secrets; the first is the process's own folder of secrets
  broker       login at the broker; database: role of the database; administrates: RabbitMQ's management interface
  ports        a Service of that name for each
  callers      components that may call its ports, besides the routers
  outside      ports to which it opens connections outside of the cluster; identity: those of the identity provider
  environment  settings that the chart lays down
*/ -}}
{{- define "kreisfunk.components" -}}
ingress:
  command: [python, -m, services.ingress]
  secrets: [ingress]
  broker: ingress
  ports: { ingress: 8080 }
notices:
  command: [python, -m, services.ingress.notices]
  secrets: [notices, tokens]
  broker: notices
  ports: { notices: 8081 }
  callers: [newsroom{{ if .Values.services.feeds.enabled }}, feeds{{ end }}]
  environment:
    KREISFUNK_NOTICES_API_HOST: 0.0.0.0
    KREISFUNK_NOTICES_API_TOKENS_FILE: /secrets/tokens/tokens.json
subscriptions:
  command: [python, -m, services.subscriptions]
  secrets: [subscriptions]
  broker: subscriptions
  database: kreisfunk_subscriptions
dispatcher:
  command: [python, -m, services.dispatcher]
  secrets: [dispatcher]
  broker: dispatcher
  database: kreisfunk_dispatcher
  outside: [{{ include "kreisfunk.port" (.Values.settings.KREISFUNK_GRAPH_URL | default "") }}]
  environment:
    KREISFUNK_DISPATCHERS: {{ .Values.services.dispatcher.replicas | quote }}
newsroom:
  command: [python, -m, services.newsroom]
  secrets: [newsroom]
  broker: newsroom
  database: kreisfunk_newsroom
  ports: { newsroom: 8082, archive: 8083 }
  environment:
    KREISFUNK_NOTICES_API_URL: http://{{ .Release.Name }}-notices:8081
    KREISFUNK_NEWSROOM_HOST: 0.0.0.0
    KREISFUNK_NEWSROOM_ASSETS: /app/newsroom-assets
    KREISFUNK_ARCHIVE_HOST: 0.0.0.0
{{- with .Values.settings.KREISFUNK_OIDC_ISSUER }}
  identity: {{ include "kreisfunk.port" . }}
{{- end }}
{{- if .Values.services.feeds.enabled }}
feeds:
  command: [python, -m, services.feeds]
  secrets: [feeds]
  outside: [80, 443]
  environment:
    KREISFUNK_NOTICES_API_URL: http://{{ .Release.Name }}-notices:8081
    KREISFUNK_FEEDS_FOLDER: /feeds
{{- end }}
migrate:
  once: true
  command: [kreisfunk, migrate]
  secrets: [admin]
  broker: {{ .Values.broker.external.admin }}
  database: kreisfunk_owner
  administrates: true
admin:
  secrets: [admin]
  broker: {{ .Values.broker.external.admin }}
  database: kreisfunk_owner
  administrates: true
operate:
  secrets: [operator]
  database: kreisfunk_operator
quarantine:
  secrets: [quarantine]
  broker: quarantine
keys:
  secrets: [rotation]
  database: kreisfunk_rotation
{{- end }}

{{- define "kreisfunk.labels" -}}
{{ include "kreisfunk.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{- define "kreisfunk.selector" -}}
app.kubernetes.io/name: kreisfunk
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .name }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end }}

{{- /* The port of a URL, whose host may be an IP address. */ -}}
{{- define "kreisfunk.port" -}}
{{ regexFind ":[0-9]+$" (urlParse .).host | trimPrefix ":" | default "443" }}
{{- end }}

{{- /* With the namespace, as operators in other namespaces use it, too. */ -}}
{{- define "kreisfunk.broker.host" -}}
{{- if eq .Values.broker.mode "cluster" -}}
{{ .Release.Name }}-broker.{{ .Release.Namespace }}.svc
{{- else -}}
{{ required "broker.external.host is needed" .Values.broker.external.host }}
{{- end -}}
{{- end }}

{{- define "kreisfunk.broker.url" -}}
{{- if eq .Values.broker.mode "cluster" -}}
amqp://$(BROKER_LOGIN)@{{ include "kreisfunk.broker.host" . }}:5672/
{{- else -}}
{{ .Values.broker.external.scheme }}://$(BROKER_LOGIN)@{{ include "kreisfunk.broker.host" . }}:{{ .Values.broker.external.port }}/
{{- end -}}
{{- end }}

{{- define "kreisfunk.database.url" -}}
{{- $external := .root.Values.database.external -}}
{{- if eq .root.Values.database.mode "cluster" -}}
postgresql://{{ .role }}@{{ .root.Release.Name }}-database-rw.{{ .root.Release.Namespace }}.svc:5432/kreisfunk
{{- else -}}
postgresql://{{ .role }}@{{ required "database.external.host is needed" $external.host }}:{{ $external.port }}/kreisfunk{{ with $external.parameters }}?{{ . }}{{ end }}
{{- end -}}
{{- end }}

{{- /*
Connections of all replicas, with one more of each starting and one ending during an update, and some for
administrators. KEDA scales two of them.
*/ -}}
{{- define "kreisfunk.database.connections" -}}
{{- $connections := 30 -}}
{{- range $name, $each := dict "dispatcher" 8 "subscriptions" 20 "newsroom" 10 -}}
{{- $replicas := (index $.Values.services $name).replicas -}}
{{- with get $.Values.scaling $name -}}
{{- if .enabled }}{{ $replicas = .max }}{{ end -}}
{{- end -}}
{{- $connections = add $connections (mul $each (add $replicas 2)) -}}
{{- end -}}
{{- max 200 $connections -}}
{{- end }}

{{- /* Checks that a schema cannot express, or not clearly. */ -}}
{{- define "kreisfunk.refusals" -}}
{{- $database := .Values.database -}}
{{- if and (eq $database.mode "external") (gt (int $database.external.replicas) 0) (not $database.external.synchronous) }}
{{- fail "The database has replicas, and database.external.synchronous is not true. Nothing is sent twice only because claims are committed before they are sent: an asynchronous replica that is promoted has lost some, and they would be sent again. Set synchronous_standby_names at the server, and then database.external.synchronous." }}
{{- end }}
{{- if and (eq $database.mode "cluster") (eq (int $database.cluster.instances) 2) }}
{{- fail "database.cluster.instances is 2: each commit waits for a replica, so the loss of either would stop everything. Take 3, or 1 to try it out." }}
{{- end }}
{{- if and .Values.scaling.dispatcher.enabled (not .Values.scaling.dispatcher.prometheus) }}
{{- fail "scaling.dispatcher needs the address of Prometheus: scaling.dispatcher.prometheus." }}
{{- end }}
{{- if and .Values.services.feeds.enabled (not .Values.config.feeds) }}
{{- fail "Feeds need config.feeds, the text of their file: the addresses in the image's are examples." }}
{{- end }}
{{- if and (eq $database.mode "external") (not $database.external.networks) }}
{{- fail "database.external.networks is needed: without it no policy lets anybody reach the database." }}
{{- end }}
{{- if and .Values.settings.KREISFUNK_OIDC_ISSUER (not .Values.network.identity) }}
{{- fail "network.identity is needed: without it no policy lets the newsroom reach its identity provider." }}
{{- end }}
{{- if and (eq .Values.broker.mode "external") (not .Values.broker.external.networks) }}
{{- fail "broker.external.networks is needed: without it no policy lets anybody reach the broker." }}
{{- end }}
{{- if and .Values.monitoring.enabled (eq .Values.broker.mode "external") (not .Values.broker.external.metrics) }}
{{- fail "broker.external.metrics is needed: without it the alerts see neither the broker nor its queues." }}
{{- end }}
{{- end }}
