#include "gateway/replacement.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <asio/post.hpp>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

extern char** environ;

namespace sluice {
namespace {

// A copy that closes when the program is executed is made one that does not: for the child alone.
bool keep(posix_spawn_file_actions_t& actions, int descriptor) {
  return ::posix_spawn_file_actions_adddup2(&actions, descriptor, descriptor) == 0;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

// How a child ended: by itself with that code, or by that signal.
std::string in_words(bool exited, int number) {
  if (exited) return " (exit code " + std::to_string(number) + "; its messages are above)";
  return std::string(" (") + ::strsignal(number) + ")";
}

// Ours, with what is handed over. What tells of systemd's sockets was taken out when they were taken.
std::vector<std::string> environment_with(const std::string& handover) {
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) variables.emplace_back(*variable);
  variables.push_back(std::string(Handover::kVariable) + "=" + handover);
  return variables;
}

}  // namespace

Replacement::Replacement(IoContext& context, Program program)
    : program_(std::move(program)), sign_(context), patience_(context) {}

void Replacement::start(Handover handover, Done done) {
  done_ = std::move(done);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    const std::string failure = std::string("no pipe to it: ") + std::strerror(errno);
    return asio::post(sign_.get_executor(), [this, failure] { finish(failure); });
  }
  tls::Descriptor own_end(ends[0]);
  const tls::Descriptor childs_end(ends[1]);
  sign_.assign(own_end.get());
  own_end.release();
  handover.ready = childs_end.get();
  if (!spawn(handover)) return;
  patience_.expires_after(kPatience);
  patience_.async_wait([this](const ErrorCode& error) {
    // Its sign may have come in the same moment.
    if (!error && done_) give_up("it did not serve within " + std::to_string(kPatience.count()) + " s");
  });
  await_sign();
}

// False: `finish` is on its way.
bool Replacement::spawn(const Handover& handover) {
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  bool kept = keep(actions, handover.ready);
  for (const Handover::Sockets& one : handover.listening) {
    for (const int socket : one.sockets) kept = kept && keep(actions, socket);
  }
  std::vector<std::string> variables = environment_with(handover.text());
  pid_t pid = 0;
  const int error = !kept ? ENOMEM : ::posix_spawnp(&pid, program_.path.c_str(), &actions, nullptr,
                                                    pointers(program_.arguments).data(), pointers(variables).data());
  ::posix_spawn_file_actions_destroy(&actions);
  if (error == 0) {
    pid_ = pid;
    return true;
  }
  const std::string failure = program_.path + " cannot be executed: " + std::strerror(error);
  asio::post(sign_.get_executor(), [this, failure] { finish(failure); });
  return false;
}

void Replacement::await_sign() {
  sign_.async_read_some(asio::buffer(text_), [this](const ErrorCode& error, std::size_t read) {
    if (error == asio::error::operation_aborted || !done_) return;
    if (std::optional<ReadySign> sign = ReadySign::parse(std::string(text_.data(), read))) return finish({}, std::move(sign->unused));
    give_up("it ended before it served");
  });
}

void Replacement::give_up(const std::string& why) { finish(why + end_child()); }

std::string Replacement::end_child() {
  assert(pid_ > 0);  // 0 would be all processes of the group
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) == 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, &status, 0);  // soon over
  }
  pid_ = 0;
  return WIFEXITED(status) ? in_words(true, WEXITSTATUS(status)) : in_words(false, WTERMSIG(status));
}

std::optional<Replacement::End> Replacement::successors_end() {
  if (successor_ == 0) return std::nullopt;
  siginfo_t told{};
  // It stays a child that has ended: when this process ends as well, a service manager hears of it, and how it ended.
  const bool known = ::waitid(P_PID, static_cast<id_t>(successor_), &told, WEXITED | WNOHANG | WNOWAIT) == 0;
  if (known && told.si_pid == 0) return std::nullopt;
  ended_ = std::exchange(successor_, 0);
  if (!known) return End{};
  const bool exited = told.si_code == CLD_EXITED;
  return End{exited && told.si_status == 0, in_words(exited, told.si_status)};
}

void Replacement::forget_successor() {
  if (ended_ != 0) ::waitpid(std::exchange(ended_, 0), nullptr, WNOHANG);
}

void Replacement::finish(const std::string& failure, std::vector<int> unused) {
  ErrorCode ignored;
  sign_.close(ignored);
  patience_.cancel();
  Outcome outcome{failure.empty() ? std::exchange(pid_, 0) : 0, failure, std::move(unused)};
  successor_ = outcome.pid;
  if (const Done done = std::exchange(done_, {})) done(outcome);
}

void Replacement::cancel() {
  ErrorCode ignored;
  sign_.close(ignored);
  patience_.cancel();
  done_ = {};
  if (pid_ != 0) end_child();
}

}  // namespace sluice
