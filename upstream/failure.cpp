#include "upstream/failure.h"

#include <array>

namespace sluice::upstream {
namespace {

struct Texts {
  std::string_view name;
  std::string_view sentence;
};

constexpr std::array<Texts, static_cast<std::size_t>(FailureCode::count_)> kTexts{{
    {"none", ""},
    {"no_endpoint", "No backend is available."},
    {"upstream_full", "The backends have as much to do as they may be given."},
    {"resolve_failed", "The backend's name has no address."},
    {"connect_refused", "The backend refused the connection."},
    {"connect_failed", "The backend could not be reached."},
    {"connect_timeout", "The backend did not accept the connection in time."},
    {"tls_failed", "TLS with the backend failed."},
    {"certificate_rejected", "The backend's certificate did not verify."},
    {"reset", "The backend closed the connection without an answer."},
    {"stream_refused", "The backend took no more requests on its connection."},
    {"response_timeout", "The backend did not answer in time."},
    {"bad_response", "The backend's answer was not valid HTTP."},
    {"bad_upgrade", "The backend's part of the WebSocket handshake failed."},
    {"body_truncated", "The backend closed the connection in the middle of its answer."},
    {"body_timeout", "The backend fell silent in the middle of its answer."},
    {"bad_body", "The backend's answer was not framed correctly."},
    {"overloaded", "The gateway holds too much for slow peers."},
    {"client_left", "The client left before the answer."},
}};

}  // namespace

std::string_view name_of(FailureCode code) noexcept { return kTexts[static_cast<std::size_t>(code)].name; }
std::string_view describe(FailureCode code) noexcept { return kTexts[static_cast<std::size_t>(code)].sentence; }

}  // namespace sluice::upstream
