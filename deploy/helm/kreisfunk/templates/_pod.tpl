{{- /* The template of a pod; arguments: root, name, component. */ -}}
{{- define "kreisfunk.pod" -}}
{{- $values := .root.Values }}
{{- $component := .component }}
{{- $serves := and $component.command (not $component.once) }}
{{- $own := first $component.secrets }}
metadata:
  labels: {{- include "kreisfunk.labels" . | nindent 4 }}
  annotations:
    checksum/settings: {{ include "kreisfunk.settings" .root | sha256sum }}
spec:
  automountServiceAccountToken: false
  enableServiceLinks: false # its variables would be read as settings: KREISFUNK_NEWSROOM_PORT=tcp://…
  {{- with $values.image.pullSecrets }}
  imagePullSecrets: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if $component.once }}
  restartPolicy: OnFailure
  {{- end }}
  # Longer than the drain, and `sleep` ignores SIGTERM.
  terminationGracePeriodSeconds: {{ if $component.command }}{{ add 15 (ceil (float64 ($values.settings.KREISFUNK_DRAIN_SECONDS | default "20"))) }}{{ else }}1{{ end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 10001
    runAsGroup: 10001
    fsGroup: 10001
    seccompProfile: { type: RuntimeDefault }
  {{- if $serves }}
  topologySpreadConstraints:
    {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
    - topologyKey: {{ . }}
      maxSkew: 1
      whenUnsatisfiable: ScheduleAnyway
      matchLabelKeys: [pod-template-hash]
      labelSelector:
        matchLabels: {{- include "kreisfunk.selector" $ | nindent 10 }}
    {{- end }}
  {{- end }}
  containers:
    - name: {{ .name }}
      image: "{{ $values.image.repository }}:{{ $values.image.tag | default .root.Chart.AppVersion }}"
      imagePullPolicy: {{ $values.image.pullPolicy }}
      command: {{ $component.command | default (list "sleep" "infinity") | toJson }}
      envFrom:
        - configMapRef: { name: {{ .root.Release.Name }}-settings }
      env:
        - { name: KREISFUNK_SECRETS_DIR, value: /secrets/{{ $own }} }
        {{- if $serves }}
        - { name: KREISFUNK_INTERNAL_HOST, value: 0.0.0.0 }
        {{- end }}
        {{- if $values.trustedCa }}
        - { name: SSL_CERT_FILE, value: /trust/ca.pem } # the image's own CAs stay trusted
        {{- end }}
        {{- if $component.broker }}
        {{- if and (eq $own "admin") (eq $values.broker.mode "cluster") }}
        - name: BROKER_LOGIN
          valueFrom: { secretKeyRef: { name: {{ .root.Release.Name }}-broker-default-user, key: username } }
        {{- else }}
        - { name: BROKER_LOGIN, value: {{ $component.broker }} }
        {{- end }}
        - { name: KREISFUNK_BROKER_URL, value: {{ include "kreisfunk.broker.url" .root | quote }} }
        {{- end }}
        {{- if $component.administrates }}
        - name: KREISFUNK_BROKER_API_URL
          value: {{ if eq $values.broker.mode "cluster" }}http://{{ include "kreisfunk.broker.host" .root }}:15672{{ else }}{{ required "broker.external.api is needed" $values.broker.external.api }}{{ end }}
        {{- end }}
        {{- with $component.database }}
        - { name: KREISFUNK_DATABASE_URL, value: {{ include "kreisfunk.database.url" (dict "root" $.root "role" .) | quote }} }
        - name: KREISFUNK_DATABASE_STANDBYS
          value: {{ eq $values.database.mode "cluster" | ternary (sub $values.database.cluster.instances 1) $values.database.external.replicas | quote }}
        {{- end }}
        {{- range $name, $value := $component.environment }}
        - { name: {{ $name }}, value: {{ $value | quote }} }
        {{- end }}
      {{- if $serves }}
      ports:
        - { name: internal, containerPort: 9090 }
        {{- range $name, $port := $component.ports }}
        - { name: {{ $name }}, containerPort: {{ $port }} }
        {{- end }}
      # The probe port opens once broker and database are reachable and migrated, which may take as long as their start.
      startupProbe:
        httpGet: { path: /livez, port: internal }
        periodSeconds: 5
        failureThreshold: 720
      livenessProbe:
        httpGet: { path: /livez, port: internal }
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      readinessProbe:
        httpGet: { path: /readyz, port: internal }
        periodSeconds: 5
        timeoutSeconds: 5 # each check inside takes up to 2
        failureThreshold: 2
      {{- if $component.ports }}
      # New requests still arrive until all routers know that this pod ends.
      lifecycle: { preStop: { sleep: { seconds: 5 } } }
      {{- end }}
      {{- end }}
      resources: {{- (index $values.resources .name | default $values.resources.default) | toYaml | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: { drop: [ALL] }
      volumeMounts:
        - { name: tmp, mountPath: /tmp }
        - { name: config, mountPath: /config, readOnly: true }
        {{- if $values.trustedCa }}
        - { name: trust, mountPath: /trust, readOnly: true }
        {{- end }}
        {{- range $component.secrets }}
        - { name: secrets-{{ . }}, mountPath: /secrets/{{ . }}, readOnly: true }
        {{- end }}
        {{- if eq .name "feeds" }}
        - { name: feeds, mountPath: /feeds }
        {{- end }}
  volumes:
    - { name: tmp, emptyDir: { medium: Memory, sizeLimit: 16Mi } }
    - { name: config, configMap: { name: {{ .root.Release.Name }}-config } }
    {{- with $values.trustedCa }}
    - { name: trust, configMap: { name: {{ . }} } }
    {{- end }}
    {{- range $component.secrets }}
    - name: secrets-{{ . }}
      projected:
        defaultMode: 0440
        sources:
          {{- if ne . "admin" }}
          - secret: { name: {{ index $values.secrets . }} }
          {{- else }}
          - secret:
              name: {{ $values.secrets.admin }}
              items:
                - { key: kreisfunk_login_passwords, path: kreisfunk_login_passwords }
                {{- if eq $values.broker.mode "external" }}
                - { key: kreisfunk_broker_password, path: kreisfunk_broker_password }
                {{- end }}
                {{- if eq $values.database.mode "external" }}
                - { key: kreisfunk_database_password, path: kreisfunk_database_password }
                {{- end }}
          {{- if eq $values.broker.mode "cluster" }}
          - secret:
              name: {{ $.root.Release.Name }}-broker-default-user
              items: [{ key: password, path: kreisfunk_broker_password }]
          {{- end }}
          {{- if eq $values.database.mode "cluster" }}
          - secret:
              name: {{ $.root.Release.Name }}-database-app
              items: [{ key: password, path: kreisfunk_database_password }]
          {{- end }}
          {{- end }}
    {{- end }}
    {{- if eq .name "feeds" }}
    - { name: feeds, persistentVolumeClaim: { claimName: {{ .root.Release.Name }}-feeds } }
    {{- end }}
{{- end }}
