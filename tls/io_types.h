// The names by which the rest of the code knows Asio. Also the precompiled header of every target that uses Asio.
// One executor type everywhere (a concrete one: no type erasure on the hot path); Asio's own names stay behind these.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <asio/awaitable.hpp>
#include <asio/basic_socket_acceptor.hpp>
#include <asio/basic_stream_socket.hpp>
#include <asio/basic_waitable_timer.hpp>
#include <asio/buffer.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/generic/stream_protocol.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>

namespace sluice {

using IoContext = asio::io_context;
using Executor = IoContext::executor_type;
template <typename T = void>
using Awaitable = asio::awaitable<T, Executor>;
inline constexpr asio::use_awaitable_t<Executor> use_awaitable{};

using ErrorCode = std::error_code;
using Clock = std::chrono::steady_clock;
// Asio has a system category of its own that does not compare with std::errc.
inline ErrorCode plain_error(const ErrorCode& error) {
  return error.category() == asio::error::get_system_category() ? ErrorCode(error.value(), std::system_category()) : error;
}
// TCP of either family, and later unix sockets, behind one type.
using Socket = asio::basic_stream_socket<asio::generic::stream_protocol, Executor>;
using Timer = asio::basic_waitable_timer<Clock, asio::wait_traits<Clock>, Executor>;

}  // namespace sluice
