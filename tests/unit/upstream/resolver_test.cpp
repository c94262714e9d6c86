#include "upstream/resolver.h"

#include <dlfcn.h>
#include <netdb.h>

#include <gmock/gmock.h>

#include <condition_variable>
#include <mutex>

#include <asio/ip/tcp.hpp>

namespace {

// The name server of these tests: names under ".test" are answered here, in place of the system's resolver.
struct FakeNames {
  std::mutex mutex;
  std::condition_variable changed;
  int flaky = 0;  // look-ups of each name
  int moving = 0;
  int shuffled = 0;
  bool told = false;  // the resolver has passed the first answer on
  bool slow_answers = false;

  template <typename Ready>
  void wait(Ready ready) {
    std::unique_lock lock(mutex);
    changed.wait(lock, ready);
  }
  void set(bool& flag) {
    const std::lock_guard lock(mutex);
    flag = true;
    changed.notify_all();
  }
  void begin() {
    const std::lock_guard lock(mutex);
    flaky = moving = shuffled = 0;
    told = slow_answers = false;
  }
  int asked(const int& lookups) {
    const std::lock_guard lock(mutex);
    return lookups;
  }
  int count(int& lookups) {
    const std::lock_guard lock(mutex);
    return lookups++;
  }
};

FakeNames& fake() {
  static auto* const names = new FakeNames;  // detached threads may still ask at exit
  return *names;
}

using Lookup = int (*)(const char*, const char*, const addrinfo*, addrinfo**);

Lookup real_lookup() {
  static const auto real = reinterpret_cast<Lookup>(::dlsym(RTLD_NEXT, "getaddrinfo"));
  return real;
}

int answer(const char* address, const char* service, const addrinfo* hints, addrinfo** list) {
  addrinfo any = *hints;
  any.ai_flags &= ~AI_ADDRCONFIG;  // whatever addresses this machine has
  return real_lookup()(address, service, &any, list);
}

int answer_fake(std::string_view host, const char* service, const addrinfo* hints, addrinfo** list) {
  FakeNames& names = fake();
  if (host == "flaky.test") {
    if (names.count(names.flaky) == 0) return answer("192.0.2.1", service, hints, list);
    names.wait([&names] { return names.told; });
    return EAI_AGAIN;
  }
  if (host == "moving.test") {
    if (names.count(names.moving) == 0) return answer("192.0.2.1", service, hints, list);
    names.wait([&names] { return names.told; });
    return answer("192.0.2.2", service, hints, list);
  }
  if (host == "shuffled.test") {
    const bool turned = names.count(names.shuffled) % 2 == 1;
    const int result = answer(turned ? "192.0.2.2" : "192.0.2.1", service, hints, list);
    return result != 0 ? result
                       : answer(turned ? "192.0.2.1" : "192.0.2.2", service, hints, &(*list)->ai_next);
  }
  if (host == "slow.test") {
    names.wait([&names] { return names.slow_answers; });
    return answer("192.0.2.1", service, hints, list);
  }
  return EAI_NONAME;
}

}  // namespace

extern "C" int getaddrinfo(const char* name, const char* service, const addrinfo* hints, addrinfo** list) {
  const std::string_view host = name;
  return host.ends_with(".test") ? answer_fake(host, service, hints, list)
                                 : real_lookup()(name, service, hints, list);
}

namespace sluice::upstream {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::chrono::milliseconds kPatience = 20s;

std::string text(const SocketAddress& address) {
  char host[NI_MAXHOST];
  char port[NI_MAXSERV];
  EXPECT_EQ(::getnameinfo(address.data(), address.size(), host, sizeof host, port, sizeof port,
                          NI_NUMERICHOST | NI_NUMERICSERV),
            0);
  return (address.family() == AF_INET6 ? "[" + std::string(host) + "]" : host) + ":" + port;
}

std::vector<std::string> texts(const std::optional<Addresses>& addresses) {
  std::vector<std::string> all;
  if (!addresses) return all;
  for (const SocketAddress& address : *addresses) all.push_back(text(address));
  return all;
}

// Every answer that the resolver has told of, in order.
struct Told {
  Told() { fake().begin(); }

  std::mutex mutex;
  std::vector<std::string> answers;

  Resolver::Changed callback() {
    return [this](const Resolver::Name& name, std::shared_ptr<const Addresses> addresses) {
      const std::lock_guard lock(mutex);
      std::string answer = name.first;
      for (const SocketAddress& address : *addresses) answer += " " + text(address);
      answers.push_back(answer);
      fake().set(fake().told);
    };
  }
  std::vector<std::string> all() {
    const std::lock_guard lock(mutex);
    return answers;
  }
};

bool comes_true(const std::function<bool()>& condition) {
  const auto limit = std::chrono::steady_clock::now() + kPatience;
  while (!condition() && std::chrono::steady_clock::now() < limit) std::this_thread::yield();
  return condition();
}

TEST(ResolverTest, LiteralsNeedNoResolver) {
  EXPECT_THAT(texts(Resolver::parse_literal({"127.0.0.1", 8000})), ElementsAre("127.0.0.1:8000"));
  EXPECT_THAT(texts(Resolver::parse_literal({"::1", 443})), ElementsAre("[::1]:443"));
  EXPECT_THAT(texts(Resolver::parse_literal({"2001:db8::7", 1})), ElementsAre("[2001:db8::7]:1"));
  EXPECT_EQ(Resolver::parse_literal({"localhost", 80}), std::nullopt);
  EXPECT_EQ(Resolver::parse_literal({"chat.example.com", 80}), std::nullopt);
  EXPECT_EQ(Resolver::parse_literal({"256.0.0.1", 80}), std::nullopt);
  EXPECT_EQ(Resolver::parse_literal({"[::1]", 80}), std::nullopt);
}

TEST(ResolverTest, NothingToResolveNeedsNoThread) {
  Told told;
  Resolver resolver(told.callback());
  EXPECT_THAT(resolver.use({}, kPatience), IsEmpty());
}

TEST(ResolverTest, LocalhostIsALoopbackAddress) {
  Told told;
  Resolver resolver(told.callback());
  const std::vector<Resolver::Name> names{{"localhost", 8000}};
  EXPECT_THAT(resolver.use(names, kPatience), IsEmpty());
  const std::vector<std::string> answers = told.all();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_TRUE(answers[0].find("127.0.0.1:8000") != std::string::npos ||
              answers[0].find("[::1]:8000") != std::string::npos)
      << answers[0];
}

TEST(ResolverTest, NamesWithoutAddressAreTold) {
  Told told;
  Resolver resolver(told.callback());
  const std::vector<Resolver::Name> names{{"never.test", 1}, {"127.0.0.1", 2}, {"never.test", 3}};
  EXPECT_THAT(resolver.use(names, kPatience),
              ElementsAre(Resolver::Name{"never.test", 1}, Resolver::Name{"never.test", 3}));
  EXPECT_THAT(told.all(), ElementsAre("127.0.0.1 127.0.0.1:2"));
}

TEST(ResolverTest, AFailureKeepsTheLastAnswer) {
  Told told;
  Resolver resolver(told.callback(), 1ms);
  EXPECT_THAT(resolver.use({{"flaky.test", 80}}, kPatience), IsEmpty());
  ASSERT_TRUE(comes_true([] { return fake().asked(fake().flaky) >= 3; })) << "the one that fails asks twice";
  EXPECT_THAT(told.all(), ElementsAre("flaky.test 192.0.2.1:80"));
  EXPECT_EQ(resolver.known().size(), 1u);
}

TEST(ResolverTest, ANewAnswerIsTold) {
  Told told;
  Resolver resolver(told.callback(), 1ms);
  EXPECT_THAT(resolver.use({{"moving.test", 80}}, kPatience), IsEmpty());
  ASSERT_TRUE(comes_true([&] { return told.all().size() > 1; }));
  EXPECT_EQ(told.all()[0], "moving.test 192.0.2.1:80");
  EXPECT_EQ(told.all()[1], "moving.test 192.0.2.2:80");
}

TEST(ResolverTest, TheSameAnswerInAnotherOrderIsNoNews) {
  Told told;
  Resolver resolver(told.callback(), 1ms);
  EXPECT_THAT(resolver.use({{"shuffled.test", 80}}, kPatience), IsEmpty());
  ASSERT_TRUE(comes_true([] { return fake().asked(fake().shuffled) >= 3; }));
  EXPECT_THAT(told.all(), ElementsAre("shuffled.test 192.0.2.1:80 192.0.2.2:80"));
}

// As a reload asks for it.
TEST(ResolverTest, NamesComeAndGo) {
  Told told;
  Resolver resolver(told.callback());
  EXPECT_THAT(resolver.use({{"127.0.0.1", 1}, {"127.0.0.1", 2}}, kPatience), IsEmpty());
  EXPECT_THAT(resolver.use({{"127.0.0.1", 2}, {"127.0.0.1", 3}}, kPatience), IsEmpty());
  EXPECT_EQ(told.all().size(), 3u) << "the one that stays is not asked for again";
  EXPECT_EQ(resolver.known().size(), 2u);
  EXPECT_FALSE(resolver.known().contains({"127.0.0.1", 1}));
  EXPECT_THAT(resolver.use({{"127.0.0.1", 1}}, kPatience), IsEmpty());
  EXPECT_EQ(told.all().size(), 4u) << "one that comes back is";
}

TEST(ResolverTest, ASlowAnswerDelaysNeitherTheStartNorTheStop) {
  Told told;
  {
    Resolver resolver(told.callback());
    EXPECT_THAT(resolver.use({{"slow.test", 80}}, 50ms), ElementsAre(Resolver::Name{"slow.test", 80}));
  }
  Told later;
  fake().set(fake().slow_answers);
  // The thread has outlived its resolver; what it finds concerns nobody any more.
  Resolver resolver(later.callback());
  EXPECT_THAT(resolver.use({{"slow.test", 80}}, kPatience), IsEmpty());
  EXPECT_THAT(told.all(), IsEmpty());
  EXPECT_THAT(later.all(), ElementsAre("slow.test 192.0.2.1:80"));
}

}  // namespace
}  // namespace sluice::upstream
