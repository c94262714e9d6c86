// A plain stream. What TLS adds is in stream_tls_test.cpp, watching and waiting in stream_events_test.cpp.
#include "tls/held_share.h"
#include "tls/stream.h"

#include <gmock/gmock.h>
#include <malloc.h>

#include "tests/support/io_harness.h"

namespace sluice::tls {
namespace {

using namespace std::chrono_literals;
using test::drain;
using test::Drained;
using test::IoHarness;
using test::pattern;
using test::Peer;

Awaitable<> wait_readable(Stream& stream) { co_await stream.wait_readable(); }
Awaitable<> wait_flushed(Stream& stream) { co_await stream.wait_flushed(); }

class StreamTest : public ::testing::Test {
 protected:
  void open(int buffer_size = 0) { std::tie(stream_, peer_) = harness_.plain_stream(buffer_size); }
  void open_tcp() { std::tie(stream_, peer_) = harness_.tcp_stream(); }
  // Waits as an owner does, then reads all that there is.
  Drained wait_and_drain(std::size_t piece = 64 * 1024) {
    bool readable = false;
    harness_.spawn(wait_readable(*stream_), readable);
    EXPECT_TRUE(harness_.run_until([&] { return readable; }));
    return drain(*stream_, piece);
  }
  // Writes until the socket is full and some of it had to be kept.
  std::string fill(std::size_t piece = 64 * 1024) {
    std::string written;
    while (stream_->flushed() && !stream_->write_error()) {
      const std::string bytes = pattern(piece);
      EXPECT_FALSE(stream_->write({bytes}));
      written += bytes;
    }
    return written;
  }
  // Reads at the far end until `size` bytes have come.
  std::string receive(std::size_t size) {
    std::string bytes;
    EXPECT_TRUE(harness_.run_until([&] {
      bytes += peer_.receive();
      return bytes.size() >= size || peer_.ended();
    }));
    return bytes;
  }

  IoHarness harness_;
  StreamPtr stream_;
  Peer peer_;
};

TEST_F(StreamTest, NothingToReadWouldBlock) {
  open();
  const Drained read = drain(*stream_);
  EXPECT_EQ(read.bytes, "");
  EXPECT_EQ(read.error, StreamError::would_block);
  EXPECT_FALSE(stream_->error());
  EXPECT_FALSE(stream_->is_tls());
}

TEST_F(StreamTest, ReadsWhatIsThereWithoutAWait) {
  open();
  peer_.send("hello");
  harness_.settle();
  const Drained read = drain(*stream_);
  EXPECT_EQ(read.bytes, "hello");
  EXPECT_EQ(read.error, StreamError::would_block);
}

TEST_F(StreamTest, TellsWhenNothingIsLeft) {
  open();
  char bytes[8];
  peer_.send("hello, stream");
  harness_.settle();
  EXPECT_FALSE(stream_->read_some(bytes, sizeof bytes).drained);
  EXPECT_TRUE(stream_->read_some(bytes, sizeof bytes).drained);
  peer_.send("bye");
  peer_.finish();
  harness_.settle();
  EXPECT_FALSE(stream_->read_some(bytes, sizeof bytes).drained) << "the end is still to be read";
}

TEST_F(StreamTest, HandshakeOfAPlainStreamIsNothing) {
  open();
  EXPECT_FALSE(harness_.await(stream_->handshake()));
}

TEST_F(StreamTest, AWaitEndsWhenBytesCome) {
  open();
  bool readable = false;
  harness_.spawn(wait_readable(*stream_), readable);
  harness_.settle();
  EXPECT_FALSE(readable);
  peer_.send("late");
  ASSERT_TRUE(harness_.run_until([&] { return readable; }));
  EXPECT_EQ(drain(*stream_).bytes, "late");
}

// The wait reads into the inline buffer: sizes around its own must neither lose nor repeat a byte, whatever
// the pieces in which the owner reads.
TEST_F(StreamTest, InlineBufferBoundaries) {
  for (const std::size_t size : {1u, 255u, 256u, 257u, 511u, 512u, 513u, 5000u}) {
    for (const std::size_t piece : {1u, 7u, 255u, 256u, 257u, 65536u}) {
      open();
      const std::string sent = pattern(size);
      peer_.send(sent);
      EXPECT_EQ(wait_and_drain(piece).bytes, sent) << size << " in pieces of " << piece;
      peer_.send("next");
      EXPECT_EQ(wait_and_drain(piece).bytes, "next") << size << " in pieces of " << piece;
    }
  }
}

TEST_F(StreamTest, MoreBytesThatComeBehindTheInlineOnesAreReadInOrder) {
  open();
  const std::string sent = pattern(600);
  peer_.send(sent.substr(0, 256));
  bool readable = false;
  harness_.spawn(wait_readable(*stream_), readable);
  ASSERT_TRUE(harness_.run_until([&] { return readable; }));
  peer_.send(sent.substr(256));
  EXPECT_EQ(drain(*stream_).bytes, sent);
}

TEST_F(StreamTest, EndComesAfterTheBytesThatCameWithIt) {
  for (const std::size_t size : {1u, 255u, 256u, 257u, 4000u}) {
    open();
    const std::string sent = pattern(size);
    peer_.send(sent);
    peer_.finish();
    const Drained all = harness_.await(test::read_at_least(*stream_, size + 1));
    EXPECT_EQ(all.bytes, sent);
    EXPECT_EQ(all.error, StreamError::eof) << size;
    EXPECT_EQ(drain(*stream_).error, StreamError::eof) << "it stays";
    EXPECT_TRUE(stream_->readable_now());
    EXPECT_FALSE(stream_->write({"still"})) << "the other direction is open";
    EXPECT_EQ(peer_.receive(), "still");
  }
}

// The FIN of a short message that came over TCP in one go is found by the next wait, although the kernel
// announces it once.
TEST_F(StreamTest, AFinThatComesWithDataOverTcpIsNotMissed) {
  open_tcp();
  bool readable = false;
  harness_.spawn(wait_readable(*stream_), readable);
  harness_.settle();
  peer_.send("bye");
  peer_.finish();
  ASSERT_TRUE(harness_.run_until([&] { return readable; }));
  const Drained first = drain(*stream_);
  EXPECT_EQ(first.bytes, "bye");
  const ErrorCode end = first.error == StreamError::eof ? first.error : wait_and_drain().error;
  EXPECT_EQ(end, StreamError::eof);
}

TEST_F(StreamTest, UnreadBytesComeFirst) {
  open();
  peer_.send("world");
  harness_.settle();
  stream_->unread("hello ");
  EXPECT_TRUE(stream_->readable_now());
  std::string memory(64, '\0');
  EXPECT_EQ(stream_->read_some(memory.data(), 3).size, 3u);
  EXPECT_EQ(memory.substr(0, 3), "hel");
  stream_->unread("HEL");
  EXPECT_EQ(drain(*stream_).bytes, "HELlo world");
  EXPECT_FALSE(stream_->readable_now());
}

TEST_F(StreamTest, UnreadingNothingIsNothing) {
  open();
  stream_->unread("");
  EXPECT_FALSE(stream_->readable_now());
}

TEST_F(StreamTest, AWaitWithUnreadBytesEndsAtOnce) {
  open();
  stream_->unread("here");
  EXPECT_EQ(wait_and_drain().bytes, "here");
}

TEST_F(StreamTest, UnreadBytesOutliveTheEndAndAnAbort) {
  open();
  stream_->unread("kept");
  stream_->abort(StreamError::cancelled);
  const Drained all = drain(*stream_);
  EXPECT_EQ(all.bytes, "kept");
  EXPECT_EQ(all.error, StreamError::cancelled);
}

TEST_F(StreamTest, AResetIsAnErrorThatStays) {
  open_tcp();
  peer_.reset();
  const Drained read = wait_and_drain();
  EXPECT_EQ(read.error, std::errc::connection_reset);
  EXPECT_EQ(stream_->error(), std::errc::connection_reset);
  EXPECT_EQ(drain(*stream_).error, std::errc::connection_reset);
}

TEST_F(StreamTest, AResetWhileWaitingIsTheSameError) {
  open_tcp();
  bool readable = false;
  harness_.spawn(wait_readable(*stream_), readable);
  harness_.settle();
  peer_.reset();
  ASSERT_TRUE(harness_.run_until([&] { return readable; }));
  EXPECT_EQ(drain(*stream_).error, std::errc::connection_reset);
}

TEST_F(StreamTest, WritesItsPartsInOrderInOneGo) {
  open();
  EXPECT_FALSE(stream_->write({"one ", "", "two ", "three ", "four ", "five"}));
  EXPECT_TRUE(stream_->flushed());
  EXPECT_EQ(peer_.receive(), "one two three four five");
  EXPECT_EQ(stream_->bytes_written(), 23u);
  EXPECT_FALSE(stream_->write({}));
  EXPECT_FALSE(stream_->write({"", ""}));
  EXPECT_EQ(harness_.held.held(), 0u);
}

TEST_F(StreamTest, KeepsWhatAFullSocketDoesNotTakeAndSendsItOn) {
  open(16 * 1024);
  std::string written = fill();
  EXPECT_GT(harness_.held.held(), 0u);
  EXPECT_EQ(harness_.metrics.held_bytes.value(), static_cast<std::int64_t>(harness_.held.held()));
  EXPECT_EQ(stream_->bytes_written() + harness_.held.held(), written.size());
  // Parts that are written behind it keep their place.
  EXPECT_FALSE(stream_->write({"head", std::string(3000, 'x'), "tail"}));
  written += "head" + std::string(3000, 'x') + "tail";
  bool flushed = false;
  harness_.spawn(wait_flushed(*stream_), flushed);
  harness_.settle();
  EXPECT_FALSE(flushed);
  EXPECT_EQ(receive(written.size()), written);
  ASSERT_TRUE(harness_.run_until([&] { return flushed; }));
  EXPECT_TRUE(stream_->flushed());
  EXPECT_EQ(stream_->bytes_written(), written.size());
  EXPECT_EQ(harness_.held.held(), 0u);
  EXPECT_EQ(harness_.metrics.held_bytes.value(), 0);
}

// Tunnels are idle for days after a slow moment. (Under a sanitizer mallinfo2() tells nothing, and the test proves nothing.)
TEST_F(StreamTest, WhatWasKeptOrPutBackNeedsNoMemoryAfterwards) {
  open();
  const auto allocated = [] {
    const struct mallinfo2 info = ::mallinfo2();
    return static_cast<std::int64_t>(info.uordblks + info.hblkhd);
  };
  constexpr std::size_t kSize = 4 * 1024 * 1024;
  const std::string bytes(kSize, 'x');
  std::string received;
  received.reserve(2 * kSize);
  const std::int64_t before = allocated();
  ASSERT_FALSE(stream_->write({bytes}));
  EXPECT_FALSE(stream_->flushed());
  ASSERT_TRUE(harness_.run_until([&] {
    received += peer_.receive();
    return received.size() >= kSize;
  }));
  stream_->unread(bytes);
  ASSERT_EQ(stream_->read_some(received.data(), kSize).size, kSize);
  EXPECT_LT(allocated() - before, std::int64_t{kSize / 4});
}

// The cut between what was sent and what is kept may fall into any of the parts.
TEST_F(StreamTest, APartlySentWriteGoesOnInTheRightPart) {
  for (const std::size_t first : {1u, 5000u, 50000u, 300000u}) {
    open(16 * 1024);
    const std::string a = pattern(first);
    const std::string b = pattern(300000 - 7);
    const std::string c = "end";
    EXPECT_FALSE(stream_->write({a, b, c}));
    EXPECT_FALSE(stream_->flushed());
    EXPECT_EQ(receive(a.size() + b.size() + c.size()), a + b + c);
  }
}

TEST_F(StreamTest, WaitingForAFlushedStreamEndsAtOnce) {
  open();
  bool flushed = false;
  harness_.spawn(wait_flushed(*stream_), flushed);
  ASSERT_TRUE(harness_.run_until([&] { return flushed; }));
}

TEST_F(StreamTest, OverTheBudgetASlowPeerIsCut) {
  IoHarness small(100 * 1024);
  auto [stream, peer] = small.plain_stream(16 * 1024);
  ErrorCode error;
  for (int i = 0; i < 10 && !error; ++i) {
    error = stream->write({pattern(40 * 1024)});
    EXPECT_LE(small.held.held(), 100u * 1024);
  }
  EXPECT_EQ(error, StreamError::held_limit);
  EXPECT_EQ(stream->write_error(), StreamError::held_limit);
  EXPECT_EQ(stream->error(), StreamError::held_limit);
  EXPECT_EQ(stream->write({"x"}), StreamError::held_limit);
  EXPECT_EQ(small.metrics.held_rejected.value(), 1u);
  small.settle();
  EXPECT_EQ(small.held.held(), 0u) << "what was kept for it is given back";
  EXPECT_EQ(small.metrics.held_bytes.value(), 0);
}

TEST_F(StreamTest, TheBudgetIsForAllStreamsTogetherAndTheOneThatIsStuckLongestIsCut) {
  IoHarness small(100 * 1024);
  auto [first, first_peer] = small.plain_stream(16 * 1024);
  auto [second, second_peer] = small.plain_stream(16 * 1024);
  EXPECT_FALSE(first->write({pattern(90 * 1024)}));
  EXPECT_FALSE(second->write({pattern(90 * 1024)}));
  EXPECT_EQ(first->write_error(), StreamError::held_limit);
  EXPECT_FALSE(second->error());
  EXPECT_LE(small.held.held(), 100u * 1024) << "what was kept for it is given back at once";
  EXPECT_EQ(small.metrics.held_bytes.value(), static_cast<std::int64_t>(small.held.held()));
  EXPECT_EQ(small.metrics.held_rejected.value(), 1u);
  second.reset();
  small.settle();
  EXPECT_EQ(small.held.held(), 0u) << "a closed stream gives back as well";
}

TEST_F(StreamTest, WhoWaitsForAStreamThatIsCutForOthersIsToldInTheNextTurn) {
  IoHarness small(100 * 1024);
  auto [first, first_peer] = small.plain_stream(16 * 1024);
  auto [second, second_peer] = small.plain_stream(16 * 1024);
  EXPECT_FALSE(first->write({pattern(90 * 1024)}));
  bool flushed = false;
  small.spawn(wait_flushed(*first), flushed);
  small.settle();
  EXPECT_FALSE(second->write({pattern(90 * 1024)}));
  EXPECT_FALSE(flushed) << "not in the middle of another stream's write";
  ASSERT_TRUE(small.run_until([&] { return flushed; }));
  EXPECT_EQ(first->error(), StreamError::held_limit);
}

TEST_F(StreamTest, ASlowPeerThatMovesIsNotTheOneThatIsCut) {
  IoHarness small(100 * 1024);
  auto [slow, slow_peer] = small.plain_stream(16 * 1024);
  auto [stuck, stuck_peer] = small.plain_stream(16 * 1024);
  auto [newest, newest_peer] = small.plain_stream(16 * 1024);
  EXPECT_FALSE(slow->write({pattern(70 * 1024)}));
  EXPECT_FALSE(stuck->write({pattern(60 * 1024)}));
  const std::uint64_t sent = slow->bytes_written();
  std::string taken;
  ASSERT_TRUE(small.run_until([&] {
    if (slow->bytes_written() == sent) taken += slow_peer.receive(1024);
    return slow->bytes_written() > sent;
  }));
  ASSERT_FALSE(slow->flushed());
  EXPECT_FALSE(newest->write({pattern(110 * 1024)}));
  EXPECT_FALSE(slow->error());
  EXPECT_EQ(stuck->error(), StreamError::held_limit);
}

TEST_F(StreamTest, WhatHasLeftIsNotHeldForLong) {
  open(16 * 1024);
  const std::string written = fill();
  std::string taken;
  ASSERT_TRUE(harness_.run_until([&] {
    if (stream_->kept() > 1024) taken += peer_.receive(1024);
    return stream_->kept() <= 8192;
  }));
  EXPECT_LE(harness_.held.held(), 2 * 8192U + StalledPeers::kLittle);
  EXPECT_TRUE(taken + receive(written.size() - taken.size()) == written);
  EXPECT_EQ(harness_.held.held(), 0U);
}

TEST_F(StreamTest, AWriteThatNeverFitsCutsNobodyElse) {
  IoHarness small(100 * 1024);
  auto [first, first_peer] = small.plain_stream(16 * 1024);
  auto [second, second_peer] = small.plain_stream(16 * 1024);
  EXPECT_FALSE(first->write({pattern(60 * 1024)}));
  EXPECT_EQ(second->write({pattern(1024 * 1024)}), StreamError::held_limit);
  EXPECT_FALSE(first->error());
  first.reset();
  second.reset();
  EXPECT_EQ(small.held.held(), 0u);
}

// A head in pieces: it has no stream to be cut, but room is made for it.
TEST_F(StreamTest, AShareOfTheBudgetIsTakenFromThoseThatAreStuck) {
  IoHarness small(100 * 1024);
  auto [stuck, stuck_peer] = small.plain_stream(16 * 1024);
  EXPECT_FALSE(stuck->write({pattern(90 * 1024)}));
  HeldShare share(small.io);
  EXPECT_FALSE(share.take(60 * 1024)) << "that alone cuts nobody";
  EXPECT_FALSE(stuck->error());
  EXPECT_TRUE(share.take_or_cut(60 * 1024));
  EXPECT_EQ(stuck->error(), StreamError::held_limit);
  EXPECT_EQ(small.held.held(), 60u * 1024);
  EXPECT_EQ(small.metrics.held_bytes.value(), 60 * 1024);
  EXPECT_FALSE(share.take_or_cut(60 * 1024)) << "nobody is left to cut";
  share.give_back();
  EXPECT_EQ(small.held.held(), 0u);
  EXPECT_EQ(small.metrics.held_bytes.value(), 0);
}

TEST_F(StreamTest, APeerThatTakesNothingIsCutAfterWriteIdle) {
  open(16 * 1024);
  metrics::Counter cuts;
  stream_->set_write_idle(60ms, &cuts);
  fill();
  const Clock::time_point start = Clock::now();
  bool flushed = false;
  harness_.spawn(wait_flushed(*stream_), flushed);
  ASSERT_TRUE(harness_.run_until([&] { return flushed; }));
  EXPECT_GE(Clock::now() - start, 55ms);
  EXPECT_EQ(stream_->write_error(), StreamError::write_idle);
  EXPECT_EQ(drain(*stream_).error, StreamError::write_idle);
  EXPECT_EQ(harness_.held.held(), 0u);
  EXPECT_EQ(cuts.value(), 1u);
}

TEST_F(StreamTest, APeerThatTakesALittleNowAndThenIsNotCut) {
  open(16 * 1024);
  stream_->set_write_idle(800ms);
  const std::size_t total = 512 * 1024;
  EXPECT_FALSE(stream_->write({pattern(total)}));
  std::size_t received = 0;
  const Clock::time_point start = Clock::now();
  while (Clock::now() - start < 1800ms) {
    received += peer_.receive(8 * 1024).size();
    harness_.run_for(60ms);
    ASSERT_FALSE(stream_->write_error());
  }
  EXPECT_LT(received, total);
}

TEST_F(StreamTest, WriteIdleCountsOnlyWhileSomethingIsKept) {
  open(16 * 1024);
  stream_->set_write_idle(60ms);
  const std::string written = fill();
  receive(written.size());
  harness_.settle();
  ASSERT_TRUE(stream_->flushed());
  harness_.run_for(200ms);
  EXPECT_FALSE(stream_->write_error());
}

TEST_F(StreamTest, WritingToAClosedPeerFailsButReadingGoesOn) {
  open_tcp();
  peer_.send("answer");
  peer_.finish();
  stream_->write({"x"});
  harness_.settle();
  peer_.reset();
  ErrorCode error;
  ASSERT_TRUE(harness_.run_until([&] {
    error = stream_->write({"more"});
    return bool(error);
  }));
  EXPECT_TRUE(error == std::errc::broken_pipe || error == std::errc::connection_reset) << error.message();
  EXPECT_EQ(stream_->write_error(), error);
  EXPECT_FALSE(stream_->error()) << "what it sent before may still be read";
}

TEST_F(StreamTest, ShutdownSendsTheFin) {
  open();
  EXPECT_FALSE(stream_->write({"last"}));
  stream_->shutdown_write();
  EXPECT_EQ(peer_.receive(), "last");
  EXPECT_TRUE(peer_.ended());
  peer_.send("answer");
  EXPECT_EQ(wait_and_drain().bytes, "answer");
}

TEST_F(StreamTest, ShutdownComesAfterTheBytesThatAreKept) {
  open(16 * 1024);
  const std::string written = fill();
  stream_->shutdown_write();
  stream_->shutdown_write();
  EXPECT_EQ(receive(written.size()), written);
  ASSERT_TRUE(harness_.run_until([&] { return peer_.ended(); }));
}

TEST_F(StreamTest, ClosingGivesTheDescriptorBackAtOnce) {
  open();
  bool readable = false;
  harness_.spawn(wait_readable(*stream_), readable);
  harness_.settle();
  stream_.reset();
  EXPECT_TRUE(peer_.ended());
  harness_.settle();
  EXPECT_FALSE(readable) << "who waited goes with the stream";
}

TEST_F(StreamTest, MayBeDestroyedWithOperationsPendingInBothDirections) {
  open(16 * 1024);
  fill();
  stream_->on_readable([](void*) { FAIL(); }, nullptr);
  stream_->on_flushed([](void*) { FAIL(); }, nullptr);
  stream_->watch_end([](void*) { FAIL(); }, nullptr);
  harness_.settle();
  stream_.reset();
  harness_.settle();
  EXPECT_EQ(harness_.held.held(), 0u);
  EXPECT_EQ(harness_.metrics.held_bytes.value(), 0);
}

TEST_F(StreamTest, TheAttachmentLivesAsLongAsTheConnection) {
  struct Slot : Stream::Attachment {
    explicit Slot(bool& was_freed) : freed(was_freed) {}
    ~Slot() override { freed = true; }
    bool& freed;
  };
  bool freed = false;
  open();
  stream_->attach(std::make_unique<Slot>(freed));
  stream_->on_readable([](void*) {}, nullptr);  // keeps the memory for a moment longer
  EXPECT_FALSE(freed);
  stream_.reset();
  EXPECT_TRUE(freed);
}

TEST_F(StreamTest, AbortFailsEverythingPendingAndToCome) {
  open(16 * 1024);
  fill();
  bool readable = false;
  bool flushed = false;
  harness_.spawn(wait_readable(*stream_), readable);
  harness_.spawn(wait_flushed(*stream_), flushed);
  harness_.settle();
  stream_->abort(StreamError::draining);
  EXPECT_FALSE(readable) << "not from within the call";
  harness_.settle();
  EXPECT_TRUE(readable);
  EXPECT_TRUE(flushed);
  EXPECT_EQ(drain(*stream_).error, StreamError::draining);
  EXPECT_EQ(stream_->write({"x"}), StreamError::draining);
  EXPECT_EQ(harness_.held.held(), 0u);
  stream_->abort(StreamError::timed_out);
  EXPECT_EQ(stream_->error(), StreamError::draining) << "the first error stays";
  bool again = false;
  harness_.spawn(wait_readable(*stream_), again);
  ASSERT_TRUE(harness_.run_until([&] { return again; }));
}

// Room that came before abort() was called changes nothing: whoever waits is told at once.
TEST_F(StreamTest, AbortWinsOverASendThatHasBegun) {
  open(16 * 1024);
  fill(1000);  // a little is kept; the next write waits behind it
  EXPECT_FALSE(stream_->write({std::string(1024 * 1024, 'b')}));
  bool flushed = false;
  harness_.spawn(wait_flushed(*stream_), flushed);
  harness_.settle();
  peer_.receive();
  harness_.loop.turn(0ms);  // what is kept begins to leave
  ASSERT_FALSE(stream_->flushed());
  stream_->abort(StreamError::cancelled);
  harness_.settle();
  EXPECT_TRUE(flushed);
  EXPECT_EQ(harness_.held.held(), 0u);
}

TEST_F(StreamTest, AWriteOfManyMebibytesArrivesWhole) {
  open_tcp();
  const std::string sent = pattern(8 * 1024 * 1024 + 13);
  EXPECT_FALSE(stream_->write({sent}));
  EXPECT_EQ(receive(sent.size()), sent);
}

}  // namespace
}  // namespace sluice::tls
