{{- define "tradingbot-stack.postgresqlfiles" -}}
start.sh: |
  {{- .Files.Get "files/postgresql.sh" | nindent 2 }}
ready.sh: |
  {{- .Files.Get "files/postgresql-ready.sh" | nindent 2 }}
stop.sh: |
  {{- .Files.Get "files/postgresql-stop.sh" | nindent 2 }}
pg_hba.conf: |
  {{- .Files.Get "files/pg_hba.conf" | nindent 2 }}
pg_ident.conf: ""
postgresql.conf: |
  {{- .Files.Get "files/postgresql.conf" | nindent 2 }}
  max_connections = {{ .Values.postgresql.maxConnections }}
  shared_buffers = {{ .Values.postgresql.sharedBuffers }}
passwd: |
  postgres:x:{{ int64 .Values.postgresql.uid }}:{{ int64 .Values.postgresql.uid }}::/tmp:/bin/sh
{{- end -}}

{{- define "tradingbot-stack.redisfiles" -}}
start.sh: |
  {{- .Files.Get "files/redis.sh" | nindent 2 }}
ready.sh: |
  {{- .Files.Get "files/redis-ready.sh" | nindent 2 }}
redis.conf: |
  {{- .Files.Get "files/redis.conf" | nindent 2 }}
  maxmemory {{ .Values.redis.maxMemory }}
{{- end -}}

{{- define "tradingbot-stack.s3files" -}}
start.sh: |
  {{- .Files.Get "files/s3.sh" | nindent 2 }}
{{- end -}}
