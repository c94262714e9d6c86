// Tells when one of a set of files has changed, and has then not changed any more for a moment: files that belong
// together are written one after the other. They are looked at once a second: that follows symbolic links and their
// exchange, renames and network file systems, for which the kernel's notifications would need watches on every folder
// on the way. The control thread's.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "gateway/control_io.h"

namespace sluice {

class FileWatch {
 public:
  static constexpr std::chrono::milliseconds kInterval{1000};

  FileWatch(IoContext& context, std::function<void()> changed, std::chrono::milliseconds interval = kInterval);
  // What is watched is about to be read: changes from here on are told of.
  void before_reading();
  // These from now on, which were read from `since` on; none: it rests. Those that were watched before reading keep
  // what was seen of them then; others that have changed since are told of, as if they had been.
  void watch(const std::vector<std::string>& files, std::int64_t since);
  // Of now, as file systems stamp their files: for `since`. Nanoseconds.
  static std::int64_t moment();
  void stop() { watch({}, 0); }

 private:
  // Device, inode, size, and times of change in nanoseconds; zeros: it is not there.
  using Stamp = std::tuple<dev_t, ino_t, off_t, std::int64_t, std::int64_t>;
  using Stamps = std::map<std::string, Stamp>;

  static Stamp stamp_of(const std::string& file);
  void wait();
  void look();

  const std::function<void()> changed_;
  const std::chrono::milliseconds interval_;
  Timer timer_;
  Stamps told_;  // as they were when `changed` was called last
  Stamps seen_;  // as they were when they were looked at last
};

}  // namespace sluice
