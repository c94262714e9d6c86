#include "gateway/file_watch.h"

#include <sys/stat.h>
#include <time.h>

#include <utility>

namespace sluice {
namespace {

std::int64_t nanoseconds(const timespec& time) { return time.tv_sec * std::int64_t{1'000'000'000} + time.tv_nsec; }

}  // namespace

FileWatch::FileWatch(IoContext& context, std::function<void()> changed, std::chrono::milliseconds interval)
    : changed_(std::move(changed)), interval_(interval), timer_(context) {}

FileWatch::Stamp FileWatch::stamp_of(const std::string& file) {
  struct stat found {};
  if (::stat(file.c_str(), &found) != 0) return {};
  return {found.st_dev, found.st_ino, found.st_size, nanoseconds(found.st_mtim), nanoseconds(found.st_ctim)};
}

// The coarse clock: a file's time of change is never before the moment of it by that clock, which by the fine one it
// may be.
std::int64_t FileWatch::moment() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
  return nanoseconds(now);
}

void FileWatch::before_reading() {
  for (auto& [file, stamp] : told_) stamp = stamp_of(file);
}

void FileWatch::watch(const std::vector<std::string>& files, std::int64_t since) {
  const Stamps before = std::exchange(told_, {});
  for (const std::string& file : files) {
    const auto known = before.find(file);
    Stamp& told = told_[file] = known == before.end() ? stamp_of(file) : known->second;
    if (known == before.end() && std::get<4>(told) >= since) told = {};  // what was read may be what was there before
  }
  seen_ = told_;
  timer_.cancel();
  if (!files.empty()) wait();
}

void FileWatch::wait() {
  timer_.expires_after(interval_);
  timer_.async_wait([this](const ErrorCode& error) {
    if (!error) look();
  });
}

void FileWatch::look() {
  Stamps now;
  for (const auto& [file, stamp] : told_) now[file] = stamp_of(file);
  const bool settled = now == seen_;
  seen_ = std::move(now);
  wait();
  if (!settled || seen_ == told_) return;
  told_ = seen_;
  changed_();
}

}  // namespace sluice
