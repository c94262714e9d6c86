"""The configuration of each proxy, as a careful administrator would write it for this work."""

# Both of nginx's parts: `role` names what each keeps in the folder.
NGINX_MAIN = """\
daemon off;
{user}
pid {folder}/{role}.pid;
error_log stderr crit;
worker_processes 1;
worker_rlimit_nofile {descriptors};
events {{ use epoll; multi_accept on; worker_connections {connections}; }}
http {{
  access_log off;
  tcp_nodelay on;
  keepalive_timeout 75s;
  keepalive_requests 1000000000;
  client_body_temp_path {folder}/{role}-body;
  proxy_temp_path {folder}/{role}-proxy;
  fastcgi_temp_path {folder}/{role}-fastcgi;
  uwsgi_temp_path {folder}/{role}-uwsgi;
  scgi_temp_path {folder}/{role}-scgi;
"""
NGINX = NGINX_MAIN + """\
  map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
  upstream origin {{
    server 127.0.0.1:{origin};
    keepalive 256;
    keepalive_requests 1000000000;
  }}
  upstream up_h1 {{
    server 127.0.0.1:{up_h1};
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
    location = /up/h1 {{ proxy_pass http://up_h1; }}
  }}
}}
"""
# As a backend that speaks HTTP/1.1 on one port and HTTP/2 on the other.
NGINX_ORIGIN = NGINX_MAIN + """\
  server {{
    listen 127.0.0.1:{h1} backlog=4096;
    listen 127.0.0.1:{h2} http2 backlog=4096;
    location / {{ return 200 "{body}"; }}
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
  use_backend up_h1 if {{ path /up/h1 }}
  use_backend up_h2 if {{ path /up/h2 }}
  default_backend origin
backend origin
  http-reuse always
  server origin 127.0.0.1:{origin}
backend up_h1
  http-reuse always
  server up 127.0.0.1:{up_h1}
backend up_h2
  http-reuse always
  server up 127.0.0.1:{up_h2} proto h2
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
  - name: up_h1
    endpoints: [http://127.0.0.1:{up_h1}]
    circuit_breaker: {{ max_connections: "off" }}
  - name: up_h2
    endpoints: [http://127.0.0.1:{up_h2}]
    protocol: h2
    circuit_breaker: {{ max_connections: "off" }}
routes:
  - name: up_h1
    match: {{ path: /up/h1 }}
    upstream: up_h1
  - name: up_h2
    match: {{ path: /up/h2 }}
    upstream: up_h2
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
