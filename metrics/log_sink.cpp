#include "metrics/log_sink.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "metrics/log.h"
#include "metrics/log_queue.h"
#include "metrics/log_text.h"

namespace sluice::metrics {

namespace {

constexpr std::size_t kWriteSize = 64 * 1024;

int standard_descriptor(const std::string& path) noexcept {
  if (path == "/dev/stdout") return STDOUT_FILENO;
  if (path == "/dev/stderr") return STDERR_FILENO;
  return -1;
}

// -1 and errno on failure. O_NONBLOCK is for the opening alone: a FIFO that nobody reads fails instead of
// hanging the start. Writing may then wait, since it happens on the log thread.
int open_log(const std::string& path) noexcept {
  const int descriptor =
      open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
  if (descriptor >= 0) fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) & ~O_NONBLOCK);
  return descriptor;
}

std::string error_text(int error) { return std::generic_category().message(error); }

std::string_view level_name(spdlog::level::level_enum level) noexcept {
  switch (level) {
    case spdlog::level::trace:
      return "trace";
    case spdlog::level::debug:
      return "debug";
    case spdlog::level::info:
      return "info";
    case spdlog::level::warn:
      return "warn";
    case spdlog::level::err:
      return "error";
    default:
      return "critical";
  }
}

std::string_view message_of(const spdlog::details::log_msg& message) noexcept {
  return {message.payload.data(), message.payload.size()};
}

void append(spdlog::memory_buf_t& out, std::string_view text) {
  out.append(text.data(), text.data() + text.size());
}

class TextFormatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    line_.clear();
    append_utc_time(line_, message.time);
    line_ += ' ';
    line_ += level_name(message.level);
    line_ += ' ';
    // Messages quote names that clients sent: one message stays one line.
    append_one_line(line_, message_of(message));
    line_ += '\n';
    append(out, line_);
  }
  std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<TextFormatter>(); }

 private:
  std::string line_;
};

class JsonFormatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    line_ = "{\"time\":\"";
    append_utc_time(line_, message.time);
    line_ += "\",\"level\":\"";
    line_ += level_name(message.level);
    line_ += "\",\"message\":\"";
    append_json_escaped(line_, message_of(message));
    line_ += "\"}\n";
    append(out, line_);
  }
  std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<JsonFormatter>(); }

 private:
  std::string line_;
};

class PlainFormatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    append(out, message_of(message));
    out.push_back('\n');
  }
  std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<PlainFormatter>(); }
};

}  // namespace

std::string problem_with_log(const std::string& path) {
  if (standard_descriptor(path) >= 0) return {};
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  int error = 0;
  struct stat found {};
  if (::stat(path.c_str(), &found) == 0) {
    if (S_ISDIR(found.st_mode)) error = EISDIR;
    else if (::access(path.c_str(), W_OK) != 0) error = errno;
  } else if (errno != ENOENT || ::access(folder.empty() ? "." : folder.c_str(), W_OK | X_OK) != 0) {
    error = errno;
  }
  return error == 0 ? "" : "cannot open log " + path + ": " + error_text(error);
}

DescriptorSink::DescriptorSink(std::string path, std::unique_ptr<spdlog::formatter> formatter)
    : base_sink(std::move(formatter)), path_(std::move(path)), descriptor_(standard_descriptor(path_)) {
  if (descriptor_ < 0) descriptor_ = open_log(path_);
  if (descriptor_ < 0) throw std::runtime_error("cannot open log " + path_ + ": " + error_text(errno));
}

DescriptorSink::~DescriptorSink() {
  write_out();
  if (descriptor_ > STDERR_FILENO) close(descriptor_);
}

void DescriptorSink::sink_it_(const spdlog::details::log_msg& message) {
  formatter_->format(message, buffer_);
  ++buffered_lines_;
  // Whoever is still in the queue comes through here after this line and asks again: nothing is left behind.
  if (!queue_ || buffer_.size() >= kWriteSize || queue_->empty()) flush_();
}

void DescriptorSink::flush_() {
  if (reopen_requested_.exchange(false, std::memory_order_relaxed)) reopen();
  write_out();
}

void DescriptorSink::reopen() {
  if (standard_descriptor(path_) >= 0) return;
  const int opened = open_log(path_);
  if (opened < 0) {
    report_failure("reopen", errno, "; lines go on to the file as it was");
    return;
  }
  // What is buffered goes to the new file: the old one may be being compressed already.
  close(descriptor_);
  descriptor_ = opened;
  failing_ = false;
  torn_line_ = false;
}

void DescriptorSink::write_out() {
  if (buffered_lines_ == 0) return;
  if (torn_line_) {
    torn_line_ = write(descriptor_, "\n", 1) != 1;
  }
  std::size_t done = 0;
  while (done < buffer_.size()) {
    const ssize_t written = write(descriptor_, buffer_.data() + done, buffer_.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) break;
    done += static_cast<std::size_t>(written);
  }
  const int error = errno;
  const std::string_view unwritten(buffer_.data() + done, buffer_.size() - done);
  if (unwritten.empty()) {
    failing_ = false;
  } else {
    // An access-log line given in several lines counts as more than one here: close enough for a count of
    // what was lost.
    const auto lost = std::count(unwritten.begin(), unwritten.end(), '\n');
    lost_lines_.fetch_add(static_cast<std::uint64_t>(lost), std::memory_order_relaxed);
    torn_line_ = done > 0 && buffer_[done - 1] != '\n';
    report_failure("write", error, "");
  }
  buffer_.clear();
  buffered_lines_ = 0;
}

void DescriptorSink::report_failure(const char* action, int error, const char* consequence) {
  if (!std::exchange(failing_, true) && report_) {
    report_(std::string("cannot ") + action + " log " + path_ + ": " + error_text(error) + consequence);
  }
}

std::unique_ptr<spdlog::formatter> make_process_log_formatter(config::LogFormat format) {
  if (format == config::LogFormat::json) return std::make_unique<JsonFormatter>();
  return std::make_unique<TextFormatter>();
}

std::unique_ptr<spdlog::formatter> make_plain_formatter() { return std::make_unique<PlainFormatter>(); }

}  // namespace sluice::metrics
