// What grpc.health.v1.Health/Check answers, as gRPC frames it: five bytes (compressed or not, the length), then a message of protobuf.
// No I/O.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace sluice::http {

inline constexpr std::string_view kGrpcHealthPath = "/grpc.health.v1.Health/Check";
// The request, in its frame: a message without fields asks for the server as a whole.
inline constexpr std::string_view kGrpcHealthRequest{"\0\0\0\0\0", 5};

// ServingStatus; a server may send others.
inline constexpr std::uint64_t kGrpcServing = 1;
// "NOT_SERVING"; of a number without a name "an unknown status".
std::string_view grpc_serving_name(std::uint64_t status) noexcept;

// The status of a response that is exactly one HealthCheckResponse, not compressed; a message that has none says 0, as protobuf leaves
// out what is 0. Fields that are not known are passed over. Nothing: it is something else, or not all of it.
std::optional<std::uint64_t> read_grpc_health(std::string_view body) noexcept;

}  // namespace sluice::http
