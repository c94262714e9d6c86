// `listeners`.
#include <filesystem>

#include "config/address.h"
#include "config/sections.h"

namespace sluice::config {
namespace {

const Table<Certificate>& certificate_table() {
  static const Table<Certificate> table{
      required(file_path("certificate", &Certificate::certificate, true)),
      required(file_path("private_key", &Certificate::private_key, true)),
      file_path("ocsp", &Certificate::ocsp, false),  // a staple that is not there is a warning, see tls/
  };
  return table;
}

const Table<ClientAuth>& client_auth_table() {
  static const Table<ClientAuth> table{
      word("mode", &ClientAuth::mode,
           {{"off", ClientAuthMode::off}, {"request", ClientAuthMode::request}, {"require", ClientAuthMode::require}}),
      file_path("ca", &ClientAuth::ca, true),
  };
  return table;
}

const Table<ListenerTls>& tls_table() {
  static const Table<ListenerTls> table{
      map_list("certificates", &ListenerTls::certificates, certificate_table(), "at least one certificate",
               1),
      boolean("self_signed", &ListenerTls::self_signed),
      word("min_version", &ListenerTls::min_version, {{"1.2", TlsVersion::v1_2}, {"1.3", TlsVersion::v1_3}}),
      map("client_auth", &ListenerTls::client_auth, client_auth_table()),
      file_paths("ticket_keys", &ListenerTls::ticket_keys),
  };
  return table;
}

Key<Listener> protocols_key() {
  KeyInfo info = list_info("protocols", "h2 or http/1.1 (h2 without tls is h2c)", 1);
  info.words = {"h2", "http/1.1"};
  info.also_called = {"http2", "h2", "h2c", "alpn", "protocol"};
  info.distinct = true;
  return {std::move(info), [](const Value& value, const KeyInfo& row, Listener& listener) {
            listener.protocols.clear();
            for (const Value& element : read_list(value, row)) {
              const auto index = read_word(element, row);
              if (!index) continue;
              const std::string& protocol = row.words[*index];
              if (speaks(listener, protocol)) {
                element.problem("stands here twice; expected each protocol once");
              } else {
                listener.protocols.push_back(protocol);
              }
            }
          }};
}

Key<Listener> address_key() {
  return {{.name = "address", .expected = "an address such as 0.0.0.0:8080"},
          [](const Value& value, const KeyInfo& row, Listener& listener) {
            const auto text = value.text(row.expected);
            if (!text) return;
            Address address;
            if (Fault fault = parse_listener_address(*text, address)) return value.problem(*fault);
            if (address.is_unix()) {
              address.path = value.report().resolve(address.path);
              if (Fault fault = check_unix_path(address.path)) return value.problem(*fault);
            }
            listener.address = std::move(address);
          }};
}

// The word `unix` stands for the peers of a unix socket, which have no address.
Key<Listener> trusted_proxies_key() {
  return {list_info("trusted_proxies", "CIDR blocks such as 10.0.0.0/8, or unix", 0),
          [](const Value& value, const KeyInfo& row, Listener& listener) {
            for (const Value& element : read_list(value, row)) {
              const auto text = element.text(row.expected);
              if (!text) continue;
              Cidr block;
              if (*text == "unix") {
                listener.trusts_unix = true;
              } else if (Fault fault = parse_cidr(*text, block)) {
                element.problem(*fault);
              } else {
                listener.trusted_proxies.push_back(block);
              }
            }
          }};
}

// A folder that an ACME client may make later.
Key<Listener> acme_directory_key() {
  return {{.name = "acme_challenge_directory", .expected = "a folder"},
          [](const Value& value, const KeyInfo&, Listener& listener) {
            auto path = read_path(value, false);
            if (!path) return;
            std::error_code error;
            const std::filesystem::file_status status = std::filesystem::status(*path, error);
            if (!std::filesystem::exists(status)) {
              value.report().warning(value.path(), in_quotes(*path) + " is not there yet; challenges are answered 404 until it is");
            } else if (!std::filesystem::is_directory(status)) {
              return value.problem(in_quotes(*path) + " is no folder; expected the one that the ACME client writes to");
            }
            listener.acme_challenge_directory = std::move(*path);
          }};
}

}  // namespace

void choose_protocols(Listener& listener) {
  if (listener.tls) listener.protocols = {"h2", "http/1.1"};
}

const Table<Listener>& listener_table() {
  static const Table<Listener> table{
      name_key<Listener>(),
      required(address_key()),
      parsed("mode", &Listener::mode, parse_mode, "an octal file mode such as 0660"),
      protocols_key(),
      map("tls", &Listener::tls, tls_table()),
      trusted_proxies_key(),
      word("proxy_protocol", &Listener::proxy_protocol,
           {{"off", ProxyProtocol::off}, {"accept", ProxyProtocol::accept}, {"require", ProxyProtocol::require}}),
      boolean("redirect_to_https", &Listener::redirect_to_https),
      acme_directory_key(),
  };
  return table;
}

}  // namespace sluice::config
