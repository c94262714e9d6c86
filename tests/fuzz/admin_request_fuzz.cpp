// The admin listener's answers: metrics only with the token where one is set, nothing to a page of another
// origin or under another name, and nothing changed but by POST and DELETE.
#include <string>

#include "config/listener_config.h"
#include "gateway/admin/admin_answer.h"
#include "gateway/http/uri.h"
#include "gateway/http1/request_parser.h"
#include "tests/fuzz/check.h"

namespace {

using namespace sluice;

constexpr char kToken[] = "open-sesame";
constexpr char kMetrics[] = "sluice_up 1\n";

// The ways to write the token, by hand: the scheme in any case, one space, the very token.
bool shows_token(const http::RequestHead& request) {
  const std::string value(request.headers.find("Authorization").value_or(""));
  return value.size() > 7 && http::equals_ignore_case(value.substr(0, 7), "bearer ") &&
         value.substr(7) == kToken;
}

bool is_local_name(const http::RequestHead& request) {
  const auto authority = http::parse_authority(request.authority);
  std::uint8_t bytes[16];
  bool v6 = false;
  return authority && (http::equals_ignore_case(authority->host, "localhost") ||
                       config::parse_ip(std::string(authority->host), bytes, v6));
}

void check(const http::RequestHead& request, const std::string& token) {
  bool asked = false;
  admin::AdminSources sources;
  sources.metrics = [&asked] {
    asked = true;
    return std::string(kMetrics);
  };
  sources.unhealthy = [] { return std::string(); };
  sources.ready = [] { return true; };
  config::Admin settings;
  settings.token = token;
  const admin::AdminReply reply = admin::answer(request, settings, sources);
  const bool authorized = !token.empty() && shows_token(request);
  const auto origin = request.headers.find("Origin");
  const bool same_origin = !origin || http::equals_ignore_case(*origin, "http://" + std::string(request.authority));
  if (reply.task != admin::Task::none) {
    FUZZ_CHECK(same_origin && (authorized || (token.empty() && is_local_name(request))));
    const bool shows = reply.task == admin::Task::status || reply.task == admin::Task::list_sockets;
    const bool looks = reply.task == admin::Task::tap_socket;
    if (!shows) FUZZ_CHECK(looks ? request.method == "GET" : request.method == "POST" || request.method == "DELETE");
    if (!shows) FUZZ_CHECK(authorized || request.headers.find(admin::kOwnField));
    if (reply.task == admin::Task::close_sockets) FUZZ_CHECK(reply.sockets.all != !reply.sockets.filter.empty());
    return;
  }
  FUZZ_CHECK(reply.status >= 200 && reply.status < 600 && !reply.body.empty());
  FUZZ_CHECK(asked == (reply.body == kMetrics));
  if (asked) FUZZ_CHECK(reply.status == 200 && request.path == "/metrics" && (token.empty() || authorized));
  if (reply.status != 200) return;
  FUZZ_CHECK(request.method == "GET" || request.method == "HEAD");
  FUZZ_CHECK(authorized || is_local_name(request));
  FUZZ_CHECK(same_origin);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  http1::RequestParser parser({});
  http::RequestHead request;
  if (parser.parse(fuzz::as_text(data, size), request).state != http1::HeadResult::complete) return 0;
  check(request, "");
  check(request, kToken);
  return 0;
}
