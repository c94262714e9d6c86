// Watching and waiting on a plain stream: the callbacks, and waits that are interrupted.
#include <gmock/gmock.h>

#include "tests/support/io_harness.h"
#include "tls/stream.h"

namespace sluice::tls {
namespace {

using namespace std::chrono_literals;
using test::drain;
using test::IoHarness;
using test::pattern;
using test::Peer;

void count(void* context) { ++*static_cast<int*>(context); }

Awaitable<> wait_readable(Stream& stream) { co_await stream.wait_readable(); }

class StreamEventsTest : public ::testing::Test {
 protected:
  StreamEventsTest() { std::tie(stream_, peer_) = harness_.tcp_stream(); }

  IoHarness harness_;
  StreamPtr stream_;
  Peer peer_;
  int events_ = 0;
};

TEST_F(StreamEventsTest, WatchEndTellsOfAFin) {
  stream_->watch_end(&count, &events_);
  harness_.settle();
  EXPECT_EQ(events_, 0);
  peer_.finish();
  ASSERT_TRUE(harness_.run_until([&] { return events_ > 0; }));
  harness_.settle();
  EXPECT_EQ(events_, 1);
}

TEST_F(StreamEventsTest, WatchEndTellsOfAReset) {
  stream_->watch_end(&count, &events_);
  harness_.settle();
  peer_.reset();
  ASSERT_TRUE(harness_.run_until([&] { return events_ > 0; }));
  EXPECT_EQ(drain(*stream_).error, std::errc::connection_reset);
}

// A client that has left what it asked for, unread bytes of it still in the socket.
TEST_F(StreamEventsTest, WatchEndTellsOfAFinBehindUnreadBytes) {
  peer_.send("the next request");
  peer_.finish();
  stream_->watch_end(&count, &events_);
  ASSERT_TRUE(harness_.run_until([&] { return events_ > 0; }));
  const auto rest = drain(*stream_);
  EXPECT_EQ(rest.bytes, "the next request");
  EXPECT_EQ(rest.error, StreamError::eof);
}

TEST_F(StreamEventsTest, WatchEndTellsOfAFinThatWasThereBefore) {
  peer_.finish();
  stream_->watch_end(&count, &events_);
  ASSERT_TRUE(harness_.run_until([&] { return events_ > 0; }));
}

TEST_F(StreamEventsTest, WatchEndTellsOfAnAbort) {
  stream_->watch_end(&count, &events_);
  harness_.settle();
  stream_->abort(StreamError::draining);
  EXPECT_EQ(events_, 0);
  harness_.settle();
  EXPECT_EQ(events_, 1);
}

TEST_F(StreamEventsTest, WatchEndIsSilentAboutBytes) {
  stream_->watch_end(&count, &events_);
  harness_.settle();
  peer_.send("the next request");
  ASSERT_TRUE(harness_.run_until([&] { return stream_->readable_now(); }));
  harness_.settle();
  EXPECT_EQ(events_, 0);
  EXPECT_EQ(drain(*stream_).bytes, "the next request");
}

TEST_F(StreamEventsTest, WatchIdleTellsOfBytesToo) {
  stream_->watch_idle(&count, &events_);
  harness_.settle();
  EXPECT_EQ(events_, 0);
  peer_.send("HTTP/1.1 408 Request Timeout\r\n\r\n");
  ASSERT_TRUE(harness_.run_until([&] { return events_ > 0; }));
  harness_.settle();
  EXPECT_EQ(events_, 1);
}

TEST_F(StreamEventsTest, WatchIdleTellsOfTheEnd) {
  stream_->watch_idle(&count, &events_);
  peer_.finish();
  ASSERT_TRUE(harness_.run_until([&] { return events_ > 0; }));
}

TEST_F(StreamEventsTest, AnEarlierWatchForBytesDoesNotLastInALaterOne) {
  stream_->watch_idle(&count, &events_);
  stream_->stop_watching();
  stream_->watch_end(&count, &events_);
  peer_.send("bytes");
  ASSERT_TRUE(harness_.run_until([&] { return stream_->readable_now(); }));
  harness_.settle();
  EXPECT_EQ(events_, 0);
}

TEST_F(StreamEventsTest, StoppedWatchingIsSilent) {
  stream_->watch_end(&count, &events_);
  harness_.settle();
  stream_->stop_watching();
  peer_.finish();
  ASSERT_TRUE(harness_.run_until([&] { return stream_->readable_now(); }));
  EXPECT_EQ(events_, 0);
}

// The read that the watch has left pending serves the next wait.
TEST_F(StreamEventsTest, ReadingAfterAWatchLosesNothing) {
  stream_->watch_end(&count, &events_);
  harness_.settle();
  stream_->stop_watching();
  bool readable = false;
  harness_.spawn(wait_readable(*stream_), readable);
  harness_.settle();
  EXPECT_EQ(drain(*stream_).error, StreamError::would_block);
  const std::string sent = pattern(1000);
  peer_.send(sent);
  ASSERT_TRUE(harness_.run_until([&] { return readable; }));
  EXPECT_EQ(drain(*stream_).bytes, sent);
}

TEST_F(StreamEventsTest, TheWatcherMayDestroyTheStream) {
  stream_->watch_end([](void* context) { static_cast<StreamPtr*>(context)->reset(); }, &stream_);
  peer_.finish();
  ASSERT_TRUE(harness_.run_until([&] { return stream_ == nullptr; }));
}

TEST_F(StreamEventsTest, InterruptedWaitEndsAndTheStreamStaysUsable) {
  bool first = false;
  harness_.spawn(wait_readable(*stream_), first);
  harness_.settle();
  stream_->interrupt_wait();
  harness_.settle();
  EXPECT_TRUE(first);
  EXPECT_EQ(drain(*stream_).error, StreamError::would_block);
  bool second = false;
  harness_.spawn(wait_readable(*stream_), second);
  harness_.settle();
  EXPECT_FALSE(second);
  peer_.send("here");
  ASSERT_TRUE(harness_.run_until([&] { return second; }));
  EXPECT_EQ(drain(*stream_).bytes, "here");
}

TEST_F(StreamEventsTest, InterruptingNobodyLeavesNoTrace) {
  stream_->interrupt_wait();
  bool readable = false;
  harness_.spawn(wait_readable(*stream_), readable);
  harness_.settle();
  EXPECT_FALSE(readable);
  peer_.send("x");
  ASSERT_TRUE(harness_.run_until([&] { return readable; }));
}

TEST_F(StreamEventsTest, BytesThatComeWhileAnInterruptIsOnItsWay) {
  bool readable = false;
  harness_.spawn(wait_readable(*stream_), readable);
  harness_.settle();
  stream_->interrupt_wait();
  peer_.send("x");
  ASSERT_TRUE(harness_.run_until([&] { return readable && stream_->readable_now(); }));
  EXPECT_EQ(drain(*stream_).bytes, "x");
}

TEST_F(StreamEventsTest, OnReadableCallsBackOncePerCall) {
  stream_->on_readable(&count, &events_);
  harness_.settle();
  EXPECT_EQ(events_, 0);
  peer_.send("one");
  ASSERT_TRUE(harness_.run_until([&] { return events_ == 1; }));
  EXPECT_EQ(drain(*stream_).bytes, "one");
  peer_.send("two");
  harness_.run_for(20ms);
  EXPECT_EQ(events_, 1);
  stream_->on_readable(&count, &events_);
  ASSERT_TRUE(harness_.run_until([&] { return events_ == 2; }));
  EXPECT_EQ(drain(*stream_).bytes, "two");
}

TEST_F(StreamEventsTest, OnReadableTellsOfUnreadBytesFromTheLoop) {
  stream_->unread("x");
  stream_->on_readable(&count, &events_);
  EXPECT_EQ(events_, 0);
  harness_.settle();
  EXPECT_EQ(events_, 1);
}

TEST_F(StreamEventsTest, YieldCallsBackWithoutBytes) {
  stream_->yield(&count, &events_);
  EXPECT_EQ(events_, 0);
  harness_.settle();
  EXPECT_EQ(events_, 1);
}

TEST_F(StreamEventsTest, OnFlushedCallsBackWhenTheLastByteIsSent) {
  const std::string sent = pattern(16 * 1024 * 1024);
  ASSERT_FALSE(stream_->write({sent}));
  ASSERT_FALSE(stream_->flushed());
  stream_->on_flushed(&count, &events_);
  std::string received;
  ASSERT_TRUE(harness_.run_until([&] {
    received += peer_.receive();
    if (events_ > 0) {
      EXPECT_TRUE(stream_->flushed());
    }
    return events_ > 0 && received.size() == sent.size();
  }));
  EXPECT_EQ(events_, 1);
}

TEST_F(StreamEventsTest, OnFlushedCallsBackWhenTheStreamIsLost) {
  ASSERT_FALSE(stream_->write({pattern(16 * 1024 * 1024)}));
  ASSERT_FALSE(stream_->flushed());
  stream_->on_flushed(&count, &events_);
  peer_.reset();
  ASSERT_TRUE(harness_.run_until([&] { return events_ > 0; }));
  EXPECT_TRUE(stream_->write_error());
}

TEST_F(StreamEventsTest, ACallbackMayDestroyTheStream) {
  struct Owner {
    StreamPtr stream;
    static void on_event(void* context) { static_cast<Owner*>(context)->stream.reset(); }
  };
  Owner reader{std::move(stream_)};
  reader.stream->on_readable(&Owner::on_event, &reader);
  peer_.send("x");
  ASSERT_TRUE(harness_.run_until([&] { return reader.stream == nullptr; }));

  auto [stream, peer] = harness_.plain_stream(16 * 1024);
  Owner writer{std::move(stream)};
  ASSERT_FALSE(writer.stream->write({pattern(100000)}));
  writer.stream->on_flushed(&Owner::on_event, &writer);
  ASSERT_TRUE(harness_.run_until([&, &far = peer] {
    far.receive();
    return writer.stream == nullptr;
  }));
}

}  // namespace
}  // namespace sluice::tls
