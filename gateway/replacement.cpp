#include "gateway/replacement.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <asio/post.hpp>
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
  sign_.assign(ends[0]);
  const tls::Descriptor childs_end(ends[1]);
  handover.ready = childs_end.get();
  if (!spawn(handover)) return;
  patience_.expires_after(kPatience);
  patience_.async_wait([this](const ErrorCode& error) {
    if (!error) give_up("it did not serve within " + std::to_string(kPatience.count()) + " s");
  });
  await_sign();
}

// False: `finish` is on its way.
bool Replacement::spawn(const Handover& handover) {
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  keep(actions, handover.ready);
  for (const Handover::Sockets& one : handover.listening) {
    for (const int socket : one.sockets) keep(actions, socket);
  }
  std::vector<std::string> variables = environment_with(handover.text());
  pid_t pid = 0;
  const int error = ::posix_spawnp(&pid, program_.path.c_str(), &actions, nullptr, pointers(program_.arguments).data(),
                                   pointers(variables).data());
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
  sign_.async_read_some(asio::buffer(&byte_, 1), [this](const ErrorCode& error, std::size_t read) {
    if (error == asio::error::operation_aborted) return;
    if (read == 1) return finish({});
    give_up("it ended before it served");
  });
}

void Replacement::give_up(const std::string& why) { finish(why + end_child()); }

// How it ended, in words.
std::string Replacement::end_child() {
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) == 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, &status, 0);  // soon over
  }
  pid_ = 0;
  if (WIFEXITED(status)) return " (exit code " + std::to_string(WEXITSTATUS(status)) + "; its messages are above)";
  return WIFSIGNALED(status) ? std::string(" (") + ::strsignal(WTERMSIG(status)) + ")" : "";
}

void Replacement::finish(const std::string& failure) {
  ErrorCode ignored;
  sign_.close(ignored);
  patience_.cancel();
  const int pid = failure.empty() ? std::exchange(pid_, 0) : 0;
  if (const Done done = std::exchange(done_, {})) done(pid, failure);
}

void Replacement::cancel() {
  ErrorCode ignored;
  sign_.close(ignored);
  patience_.cancel();
  done_ = {};
  if (pid_ != 0) end_child();
}

}  // namespace sluice
