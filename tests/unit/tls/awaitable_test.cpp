#include "tls/awaitable.h"

#include <gmock/gmock.h>

#include <new>
#include <stdexcept>

#include "tests/support/io_harness.h"

namespace sluice {
namespace {

using test::IoHarness;

Awaitable<int> at_once(int value) { co_return value; }

Awaitable<int> after(tls::Waiter& waiter, int value) {
  co_await waiter.wait();
  co_return value;
}

Awaitable<int> fail(tls::Waiter* waiter) {
  if (waiter != nullptr) co_await waiter->wait();
  throw std::runtime_error("broken");
}

Awaitable<> add_up(int times, long& sum) {
  for (int i = 0; i < times; ++i) sum += co_await at_once(1);
}

Awaitable<> alternate(tls::Waiter& waiter, int times, long& sum) {
  for (int i = 0; i < times; ++i) {
    sum += co_await at_once(1);
    sum += co_await after(waiter, 1);
  }
}

Awaitable<> catch_from(tls::Waiter* waiter, std::string& caught) {
  try {
    co_await fail(waiter);
  } catch (const std::runtime_error& error) {
    caught = error.what();
  }
}

struct Noted {
  explicit Noted(int& alive) : count(&alive) { ++*count; }
  Noted(const Noted& other) : count(other.count) { ++*count; }
  ~Noted() { --*count; }
  int* count;
};

Awaitable<> hold(Noted, tls::Waiter& waiter) {
  const Awaitable<int> never_awaited = at_once(1);
  co_await waiter.wait();
}

class AwaitableTest : public ::testing::Test {
 protected:
  IoHarness harness_;
  tls::Waiter waiter_;
  bool done_ = false;
};

// A call that does not wait costs no stack: otherwise this would overflow it.
TEST_F(AwaitableTest, ALoopOverCallsThatDoNotWaitNeedsNoStack) {
  long sum = 0;
  harness_.spawn(add_up(2'000'000, sum), done_);
  EXPECT_TRUE(done_);
  EXPECT_EQ(sum, 2'000'000);
}

TEST_F(AwaitableTest, NeitherDoesOneOverCallsThatWait) {
  long sum = 0;
  harness_.spawn(alternate(waiter_, 200'000, sum), done_);
  for (int i = 0; i < 200'000; ++i) waiter_.wake();
  EXPECT_TRUE(done_);
  EXPECT_EQ(sum, 400'000);
}

TEST_F(AwaitableTest, ExceptionsComeOutOfTheAwait) {
  std::string caught;
  harness_.spawn(catch_from(nullptr, caught), done_);
  EXPECT_EQ(caught, "broken");
}

TEST_F(AwaitableTest, AlsoAfterAWait) {
  std::string caught;
  harness_.spawn(catch_from(&waiter_, caught), done_);
  EXPECT_FALSE(done_);
  waiter_.wake();
  EXPECT_TRUE(done_);
  EXPECT_EQ(caught, "broken");
}

TEST_F(AwaitableTest, ParametersAndLocalsGoWithTheCoroutine) {
  int alive = 0;
  harness_.spawn(hold(Noted(alive), waiter_), done_);
  EXPECT_GT(alive, 0);
  waiter_.wake();
  EXPECT_TRUE(done_);
  EXPECT_EQ(alive, 0);
}

TEST(FrameMemoryTest, WhatIsGivenBackIsUsedAgainForItsSizeOnly) {
  for (const std::size_t size : {1u, 128u, 129u, 1000u, 4096u, 4097u, 100'000u}) {
    void* first = FrameMemory::allocate(size);
    void* second = FrameMemory::allocate(size);
    std::memset(first, 1, size);
    std::memset(second, 2, size);
    EXPECT_NE(first, second);
    FrameMemory::release(first, size);
    FrameMemory::release(second, size);
  }
}

}  // namespace
}  // namespace sluice
