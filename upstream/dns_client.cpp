#include "upstream/dns_client.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <stdexcept>
#include <system_error>

#include "config/address.h"
#include "config/syntax.h"

namespace sluice::upstream {
namespace {

constexpr char kSystemConfiguration[] = "/etc/resolv.conf";
constexpr int kTries = 2;           // of each server
constexpr int kUdpPayload = 1232;   // goes through without fragments nearly everywhere; what is longer comes over TCP
constexpr std::size_t kMostParsed = 1024;  // records of one answer

std::timespec written_at() {
  struct stat file {};
  return ::stat(kSystemConfiguration, &file) == 0 ? file.st_mtim : std::timespec{};
}

std::string joined(const std::vector<std::string>& servers) {
  std::string text;
  for (const std::string& server : servers) text += (text.empty() ? "" : ",") + server;
  return text;
}

template <class Record>
DnsAnswer<Record> without_records(int status) {
  const bool empty = status == ARES_ENOTFOUND || status == ARES_ENODATA || status == ARES_SUCCESS;
  return {empty ? DnsOutcome::empty : DnsOutcome::failed, {}, ::ares_strerror(status == ARES_SUCCESS ? ARES_ENODATA : status)};
}

const unsigned char* bytes(const std::string& reply) { return reinterpret_cast<const unsigned char*>(reply.data()); }

template <class Parsed, int (*parse)(const unsigned char*, int, hostent**, Parsed*, int*)>
DnsAnswer<std::string> parse_addresses(const std::string& reply, bool v6) {
  std::vector<Parsed> parsed(kMostParsed);
  int count = static_cast<int>(parsed.size());
  const int status = parse(bytes(reply), static_cast<int>(reply.size()), nullptr, parsed.data(), &count);
  if (status != ARES_SUCCESS || count == 0) return without_records<std::string>(status);
  DnsAnswer<std::string> answer{DnsOutcome::found};
  for (int i = 0; i < count; ++i) {
    // The address stands first in both.
    answer.records.push_back(config::ip_text(reinterpret_cast<const std::uint8_t*>(&parsed[static_cast<std::size_t>(i)]), v6));
  }
  return answer;
}

DnsAnswer<ServiceRecord> parse_services(const std::string& reply) {
  ares_srv_reply* list = nullptr;
  const int status = ::ares_parse_srv_reply(bytes(reply), static_cast<int>(reply.size()), &list);
  if (status != ARES_SUCCESS || list == nullptr) return without_records<ServiceRecord>(status);
  const std::unique_ptr<ares_srv_reply, void (*)(void*)> owner(list, &::ares_free_data);
  DnsAnswer<ServiceRecord> answer{DnsOutcome::found};
  for (const ares_srv_reply* one = list; one != nullptr && answer.records.size() < kMostParsed; one = one->next) {
    answer.records.push_back({config::lower_case(one->host), one->port, one->priority, one->weight});
  }
  return answer;
}

}  // namespace

DnsClient::DnsClient(const config::Resolver& settings) : of_system_(settings.nameservers.empty()), read_at_(written_at()) {
  ares_options options{};
  options.flags = ARES_FLAG_EDNS | ARES_FLAG_NOALIASES | (of_system_ ? 0 : ARES_FLAG_NOSEARCH);
  options.timeout = static_cast<int>(std::min<std::int64_t>(settings.timeout.count(), 60'000));
  options.tries = kTries;
  options.ednspsz = kUdpPayload;
  const int which = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_EDNSPSZ;
  int status = ::ares_init_options(&channel_, &options, which);
  if (status != ARES_SUCCESS) throw std::runtime_error(std::string("DNS cannot be asked: ") + ::ares_strerror(status));
  if (of_system_) return;
  status = ::ares_set_servers_ports_csv(channel_, joined(settings.nameservers).c_str());
  if (status == ARES_SUCCESS) return;
  ::ares_destroy(channel_);
  throw std::runtime_error(std::string("the name servers cannot be used: ") + ::ares_strerror(status));
}

DnsClient::~DnsClient() { ::ares_destroy(channel_); }

void DnsClient::ask(Question question) {
  waiting_.push_back(std::move(question));
  waiting_.back().self = std::prev(waiting_.end());
}

void DnsClient::ask_addresses(const std::string& name, AddressFamily family, bool search, const void* asker,
                              AddressesTold told) {
  const bool v6 = family == AddressFamily::v6;
  ask({this, name, v6 ? ns_t_aaaa : ns_t_a, search, asker, [told = std::move(told), v6](const Question& asked) {
         if (asked.status != ARES_SUCCESS) return told(without_records<std::string>(asked.status));
         told(v6 ? parse_addresses<ares_addr6ttl, &::ares_parse_aaaa_reply>(asked.reply, true)
                 : parse_addresses<ares_addrttl, &::ares_parse_a_reply>(asked.reply, false));
       }});
}

void DnsClient::ask_services(const std::string& name, const void* asker, ServicesTold told) {
  ask({this, name, ns_t_srv, true, asker, [told = std::move(told)](const Question& asked) {
         told(asked.status == ARES_SUCCESS ? parse_services(asked.reply) : without_records<ServiceRecord>(asked.status));
       }});
}

// Called by c-ares, through which nothing may be thrown: it only keeps the answer.
void DnsClient::take_reply(void* context, int status, int, unsigned char* reply, int size) {
  if (status == ARES_EDESTRUCTION) return;
  Question& question = *static_cast<Question*>(context);
  question.status = status;
  try {
    if (status == ARES_SUCCESS) question.reply.assign(reinterpret_cast<const char*>(reply), static_cast<std::size_t>(size));
  } catch (const std::bad_alloc&) {
    question.status = ARES_ENOMEM;
  }
  DnsClient& client = *question.client;
  client.done_.splice(client.done_.end(), client.under_way_, question.self);
}

bool DnsClient::may_be_sent(const Question& question) const {
  const auto is_its = [&question](const Question& other) { return other.asker == question.asker; };
  return static_cast<std::size_t>(std::count_if(under_way_.begin(), under_way_.end(), is_its)) < kMostOfOne;
}

void DnsClient::send_waiting() {
  for (auto next = waiting_.begin(); next != waiting_.end() && under_way_.size() < kMostUnderWay;) {
    const auto one = next++;
    if (!may_be_sent(*one)) continue;
    under_way_.splice(under_way_.end(), waiting_, one);
    Question& question = under_way_.back();  // it may be answered at once
    const auto ask_now = question.search ? &::ares_search : &::ares_query;
    ask_now(channel_, question.name.c_str(), ns_c_in, question.type, &DnsClient::take_reply, &question);
  }
}

void DnsClient::tell() {
  while (!done_.empty()) {
    std::list<Question> one;
    one.splice(one.end(), done_, done_.begin());
    one.front().answered(one.front());
  }
}

void DnsClient::poll(std::chrono::milliseconds most, int wake) {
  send_waiting();
  std::array<ares_socket_t, ARES_GETSOCK_MAXNUM> sockets{};
  const int wanted = ::ares_getsock(channel_, sockets.data(), ARES_GETSOCK_MAXNUM);
  std::array<pollfd, ARES_GETSOCK_MAXNUM + 1> polled{};
  polled[0] = {wake, POLLIN, 0};
  nfds_t count = 1;
  for (unsigned i = 0; i < ARES_GETSOCK_MAXNUM; ++i) {
    const short events = static_cast<short>((ARES_GETSOCK_READABLE(wanted, i) ? POLLIN : 0) | (ARES_GETSOCK_WRITABLE(wanted, i) ? POLLOUT : 0));
    if (events != 0) polled[count++] = {sockets[i], events, 0};
  }
  timeval longest{};
  longest.tv_sec = static_cast<time_t>(most.count() / 1000);
  longest.tv_usec = static_cast<suseconds_t>(most.count() % 1000 * 1000);
  timeval patience{};
  const timeval* until = ::ares_timeout(channel_, &longest, &patience);
  const auto wait = done_.empty() ? until->tv_sec * 1000 + (until->tv_usec + 999) / 1000 : 0;
  const int ready = ::poll(polled.data(), count, static_cast<int>(wait));
  if (ready < 0 && errno != EINTR) throw std::system_error(errno, std::system_category(), "poll");
  if (ready > 0) {
    for (nfds_t i = 1; i < count; ++i) {
      const short seen = polled[i].revents;
      const ares_socket_t readable = (seen & ~POLLOUT) != 0 ? polled[i].fd : ARES_SOCKET_BAD;
      ::ares_process_fd(channel_, readable, (seen & POLLOUT) != 0 ? polled[i].fd : ARES_SOCKET_BAD);
    }
  }
  ::ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);  // what has taken too long
  tell();
}

bool DnsClient::is_outdated() const {
  const std::timespec now = written_at();
  return of_system_ && (now.tv_sec != read_at_.tv_sec || now.tv_nsec != read_at_.tv_nsec);
}

}  // namespace sluice::upstream
