#include "tls/openssl_error.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <system_error>

namespace sluice::tls {
namespace {

// OpenSSL keeps at most 16 entries; past the first few they only repeat the cause in other words.
constexpr int kMaxErrorsInText = 3;

std::string reason_text(unsigned long code) {
  if (ERR_SYSTEM_ERROR(code)) return std::generic_category().message(ERR_GET_REASON(code));
  if (const char* reason = ERR_reason_error_string(code)) return reason;
  return "OpenSSL error " + std::to_string(ERR_GET_LIB(code)) + ":" + std::to_string(ERR_GET_REASON(code));
}

}  // namespace

std::string take_openssl_error_text() {
  OPENSSL_init_ssl(OPENSSL_INIT_LOAD_SSL_STRINGS, nullptr);  // loads the texts once
  std::string text;
  std::string last_reason;
  const char* data = nullptr;
  int flags = 0;
  for (int count = 0; count < kMaxErrorsInText;) {
    const unsigned long code = ERR_get_error_all(nullptr, nullptr, nullptr, &data, &flags);
    if (code == 0) break;
    std::string reason = reason_text(code);
    if ((flags & ERR_TXT_STRING) && data && *data) reason += std::string(" (") + data + ")";
    if (reason == last_reason) continue;
    if (!text.empty()) text += "; ";
    text += reason;
    last_reason = std::move(reason);
    ++count;
  }
  ERR_clear_error();
  return text.empty() ? "unknown error" : text;
}

bool peer_knows_no_protocol() noexcept { return ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL; }

void forget_openssl_errors() noexcept {
  if (ERR_peek_error() != 0) ERR_clear_error();
}

}  // namespace sluice::tls
