#include "gateway/admin/admin_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <asio/connect.hpp>
#include <asio/read.hpp>
#include <asio/write.hpp>
#include <string>
#include <thread>

namespace sluice::admin {
namespace {

using asio::ip::tcp;

int listening(IoContext& context, tcp::endpoint& at) {
  asio::basic_socket_acceptor<tcp, Executor> acceptor(context, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  at = acceptor.local_endpoint();
  return acceptor.release();
}

std::string ask(const tcp::endpoint& at, const std::string& request) {
  IoContext context;
  AdminSocket socket(context);
  socket.connect(at);
  asio::write(socket, asio::buffer(request));
  std::string answer;
  ErrorCode end;
  asio::read(socket, asio::dynamic_buffer(answer), end);
  return answer;
}

TEST(AdminServer, WhoAsksForWhatTakesLongHearsThatItIsUnderWay) {
  IoContext context;
  tcp::endpoint at;
  const int descriptor = listening(context, at);
  std::function<void(AdminReply)> done;
  AdminServer server(context, {}, {}, [&done](const AdminReply&, std::function<void(AdminReply)> told) { done = std::move(told); }, descriptor,
                     std::chrono::milliseconds(50));
  server.start();
  std::string answer;
  std::thread client([&] {
    answer = ask(at, "POST /reload HTTP/1.1\r\nHost: localhost\r\nX-Sluice-Admin: 1\r\n\r\n");
    context.stop();
  });
  context.run_for(std::chrono::seconds(10));
  client.join();
  EXPECT_THAT(answer, ::testing::StartsWith("HTTP/1.1 202 "));
  EXPECT_THAT(answer, ::testing::HasSubstr("still under way"));
  done({});  // as late as this, it does no harm
}

}  // namespace
}  // namespace sluice::admin
