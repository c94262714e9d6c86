"""The configuration of each proxy, as a careful administrator would write it for this work."""

NGINX = """\
daemon off;
{user}
pid {folder}/nginx.pid;
error_log stderr crit;
worker_processes 1;
worker_rlimit_nofile {descriptors};
events {{ use epoll; multi_accept on; worker_connections {connections}; }}
http {{
  access_log off;
  tcp_nodelay on;
  keepalive_timeout 75s;
  keepalive_requests 1000000000;
  client_body_temp_path {folder}/nginx-body;
  proxy_temp_path {folder}/nginx-proxy;
  fastcgi_temp_path {folder}/nginx-fastcgi;
  uwsgi_temp_path {folder}/nginx-uwsgi;
  scgi_temp_path {folder}/nginx-scgi;
  map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
  upstream origin {{
    server 127.0.0.1:{origin};
    keepalive 256;
    keepalive_requests 1000000000;
  }}
  server {{
    listen 127.0.0.1:{plain} backlog=4096;
    listen 127.0.0.1:{tls} ssl http2 backlog=4096;
    ssl_certificate {folder}/cert.pem;
    ssl_certificate_key {folder}/key.pem;
    ssl_protocols TLSv1.2 TLSv1.3;
    proxy_http_version 1.1;
    proxy_max_temp_file_size 0;
    proxy_read_timeout 1h;
    proxy_send_timeout 1h;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $connection_upgrade;
    {options}
    location / {{ proxy_pass http://origin; }}
  }}
}}
"""
NGINX_FORWARDED = """\
proxy_set_header Host $host;
    proxy_set_header X-Real-IP $remote_addr;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $scheme;
"""

HAPROXY = """\
global
  nbthread 1
  maxconn {connections}
  ssl-default-bind-options ssl-min-ver TLSv1.2
  {global_options}
defaults
  mode http
  timeout connect 5s
  timeout client 1m
  timeout server 1m
  timeout tunnel 1h
  timeout http-keep-alive 75s
frontend web
  bind 127.0.0.1:{plain} backlog 4096
  bind 127.0.0.1:{tls} backlog 4096 ssl crt {folder}/combined.pem alpn h2,http/1.1
  {options}
  use_backend origin_h2 if {{ path /h2/1k }}
  default_backend origin
backend origin
  http-reuse always
  server origin 127.0.0.1:{origin}
backend origin_h2
  http-reuse always
  server origin 127.0.0.1:{origin} proto h2
"""
HAPROXY_FORWARDED = """\
option forwardfor
  http-request set-header X-Forwarded-Proto https if { ssl_fc }
  http-request set-header X-Forwarded-Proto http unless { ssl_fc }
"""

SLUICE = """\
workers: 1
listeners:
  - name: plain
    address: 127.0.0.1:0
  - name: secure
    address: 127.0.0.1:0
    protocols: [h2, http/1.1]
    tls:
      certificates:
        - {{ certificate: cert.pem, private_key: key.pem }}
upstreams:
  - name: origin
    endpoints:
      - http://127.0.0.1:{origin}
    circuit_breaker: {{ max_connections: "off" }}
  - name: origin_h2
    endpoints:
      - http://127.0.0.1:{origin}
    protocol: h2
    circuit_breaker: {{ max_connections: "off" }}
routes:
  - name: h2
    match: {{ path: /h2/1k }}
    upstream: origin_h2
  - name: all
    upstream: origin
  # Every limit that a client within the limits can meet.
  - name: limits
    match: {{ path: /ws/limits }}
    upstream: origin
    websocket:
      origins: ["http://bench.test", "https://bench.test"]
      handshake_rate: 1000000/s
      max_message_size: 1MiB
      max_frame_size: 1MiB
      message_rate: {{ rate: 1000000/s, burst: 1000000, action: close }}
      idle_timeout: 1h
      ping: {{ interval: {ping_interval}s, timeout: {ping_timeout}s, to: both }}
      max_lifetime: 24h
      max_tunnels: 100000
      max_tunnels_per_client: 100000
      slow_consumer: {{ buffer: 64KiB, action: close, after: 10s }}
  - name: offload
    match: {{ path: /ws/offload }}
    upstream: origin
    websocket: {{ mode: terminate, compression: offload }}
admin: {{ address: "127.0.0.1:0" }}
access_log: {{ format: "off" }}
"""
