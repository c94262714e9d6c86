// Asks name servers without blocking, by way of c-ares: whoever owns it polls. One thread's.
#pragma once

#include <chrono>
#include <cstdint>
#include <ctime>
#include <functional>
#include <list>
#include <string>
#include <vector>

#include "config/upstream_config.h"

struct ares_channeldata;

namespace sluice::upstream {

// A server says `empty` when there is no such name, or nothing of what was asked under it.
enum class DnsOutcome { found, empty, failed };

template <class Record>
struct DnsAnswer {
  DnsOutcome outcome = DnsOutcome::failed;
  std::vector<Record> records = {};
  std::string problem = {};  // for people, unless it is found
};

struct ServiceRecord {
  std::string target;  // lower case; empty: the service is expressly not there
  std::uint16_t port = 0;
  std::uint16_t priority = 0;
  std::uint16_t weight = 0;
  auto operator<=>(const ServiceRecord&) const = default;
};

enum class AddressFamily { v4, v6 };

class DnsClient {
 public:
  using AddressesTold = std::function<void(DnsAnswer<std::string>)>;  // IP literals
  using ServicesTold = std::function<void(DnsAnswer<ServiceRecord>)>;

  // Throws std::runtime_error. Name servers of the system are read here.
  explicit DnsClient(const config::Resolver& settings);
  // Nobody is told any more.
  ~DnsClient();
  DnsClient(const DnsClient&) = delete;
  DnsClient& operator=(const DnsClient&) = delete;

  // Each question is answered in poll(). `search`: with the system's search domains, where its servers are asked. `asker`: of
  // many questions of one only a few are under way at once, so that none holds the others up by names that nobody answers for.
  void ask_addresses(const std::string& name, AddressFamily family, bool search, const void* asker, AddressesTold told);
  void ask_services(const std::string& name, const void* asker, ServicesTold told);
  // Waits for answers, but no longer than `most`, nor when `wake` can be read. What those who are told throw goes through.
  void poll(std::chrono::milliseconds most, int wake);

  bool is_idle() const noexcept { return waiting_.empty() && under_way_.empty() && done_.empty(); }
  // Whether the system's configuration was written since it was read.
  bool is_outdated() const;

 private:
  static constexpr std::size_t kMostUnderWay = 64;  // questions; further ones wait
  static constexpr std::size_t kMostOfOne = 4;      // of these
  struct Question {
    DnsClient* client;
    std::string name;
    int type;
    bool search;
    const void* asker;
    std::function<void(const Question&)> answered;
    std::list<Question>::iterator self = {};
    int status = 0;
    std::string reply = {};
  };

  void ask(Question question);
  bool may_be_sent(const Question& question) const;
  void send_waiting();
  void tell();
  static void take_reply(void* question, int status, int timeouts, unsigned char* reply, int size);

  ares_channeldata* channel_ = nullptr;
  const bool of_system_;
  std::timespec read_at_{};  // when the system's configuration had been written
  std::list<Question> waiting_, under_way_, done_;
};

}  // namespace sluice::upstream
