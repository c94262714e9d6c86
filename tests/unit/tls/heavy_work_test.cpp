#include "tls/heavy_work.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <list>

#include "tests/support/tls_harness.h"

namespace sluice::tls {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::SizeIs;
constexpr std::size_t kMost = HeavyWork::kMostInTurn;

class HeavyWorkTest : public ::testing::Test {
 protected:
  static Awaitable<> work(EventLoop& loop, int number, std::vector<int>& done) {
    if (!loop.heavy_work().may_begin()) co_await loop.heavy_work().wait();
    done.push_back(number);
  }
  void begin(int number) { harness_.loop.spawn(work(harness_.loop, number, done_)); }

  test::IoHarness harness_;
  std::vector<int> done_;
};

TEST_F(HeavyWorkTest, ATurnHasAFewStepsAndTheRestComeInTheirOrder) {
  for (int number = 0; number < 11; ++number) begin(number);
  EXPECT_THAT(done_, ElementsAre(0, 1, 2, 3)) << "at once";
  harness_.loop.turn(0ms);
  EXPECT_THAT(done_, SizeIs(2 * kMost));
  begin(11);
  EXPECT_THAT(done_, SizeIs(2 * kMost)) << "behind those who wait";
  harness_.loop.turn(0ms);
  EXPECT_THAT(done_, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11));
}

TEST_F(HeavyWorkTest, NobodyWaitsWhenThereIsLittleToDo) {
  for (int number = 0; number < 10; ++number) {
    begin(number);
    EXPECT_THAT(done_, SizeIs(number + 1));
    harness_.loop.turn(0ms);
  }
}

TEST_F(HeavyWorkTest, TheLoopEndsWhenAllIsDone) {
  for (int number = 0; number < 11; ++number) begin(number);
  harness_.loop.finish();
  harness_.loop.run();
  EXPECT_THAT(done_, SizeIs(11));
}

TEST_F(HeavyWorkTest, MayBeDestroyedWhileSomebodyWaits) {
  EventLoop loop;
  for (int number = 0; number < 11; ++number) loop.spawn(work(loop, number, done_));
  EXPECT_THAT(done_, SizeIs(kMost));
}

struct Handshake {
  Handshake(test::IoHarness& loop, int end, SslPtr session)
      : stream(Stream::secure(loop.io, Descriptor(end), std::move(session))) {
    loop.spawn(test::shake_hands(*stream, error), done);
  }
  StreamPtr stream;
  ErrorCode error;
  bool done = false;
};

TEST_F(HeavyWorkTest, HandshakesAreSuchWork) {
  constexpr int kClients = 20;
  const test::TlsHarness tls;
  test::IoHarness clients_loop;
  std::list<Handshake> clients, servers;
  for (int i = 0; i < kClients; ++i) {
    int ends[2];
    test::check(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0, "socketpair");
    servers.emplace_back(harness_, ends[0], tls.server_session());
    clients.emplace_back(clients_loop, ends[1], tls.client_session());
  }
  const auto answered = [&] {
    return std::ranges::count_if(clients, [](const Handshake& client) {
      char byte;
      return ::recv(client.stream->descriptor(), &byte, 1, MSG_PEEK) == 1;
    });
  };
  harness_.loop.turn(0ms);
  EXPECT_EQ(answered(), kMost);
  harness_.loop.turn(0ms);
  EXPECT_EQ(answered(), 2 * kMost);
  EXPECT_TRUE(harness_.run_until([&] {
    clients_loop.loop.turn(0ms);
    return std::ranges::all_of(servers, [](const Handshake& server) { return server.done && !server.error; });
  }));
}

}  // namespace
}  // namespace sluice::tls
