// The answer to a health check of gRPC. What is behind a whole answer, or cut off its end, makes it another one or none; a field that is
// not known changes nothing; a status that is written down behind it is what it says.
#include <string>

#include "gateway/http/grpc_health.h"
#include "tests/fuzz/check.h"

namespace {

using namespace sluice;

std::string framed(const std::string& message) {
  std::string out(1, '\0');
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(message.size() >> shift & 0xff);
  return out + message;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string body(fuzz::as_text(data, size));
  if (http::read_grpc_health(body)) {
    FUZZ_CHECK(!http::read_grpc_health(body + '\0'));
    FUZZ_CHECK(!http::read_grpc_health(body.substr(0, body.size() - 1)));
  }
  const auto status = http::read_grpc_health(framed(body));  // the same bytes as a message
  if (!status) return 0;
  FUZZ_CHECK(http::read_grpc_health(framed(body + "\x12\x02\x08\x07")) == status);
  FUZZ_CHECK(http::read_grpc_health(framed(body + "\x08\x01")) == http::kGrpcServing);
  return 0;
}
