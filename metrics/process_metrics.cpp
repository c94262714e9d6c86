#include "metrics/process_metrics.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <ctime>
#include <fstream>
#include <iterator>
#include <limits>
#include <memory>
#include <sstream>
#include <string>

#include "metrics/log.h"

namespace sluice::metrics {

namespace {

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

double seconds_of(clockid_t clock) {
  timespec now{};
  if (clock_gettime(clock, &now) != 0) return kUnknown;
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

double resident_memory_bytes() {
  std::ifstream statm("/proc/self/statm");
  double total_pages = 0;
  double resident_pages = 0;
  if (!(statm >> total_pages >> resident_pages)) return kUnknown;
  return resident_pages * static_cast<double>(sysconf(_SC_PAGESIZE));
}

double open_descriptors() {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir("/proc/self/fd"), &closedir);
  if (!directory) return kUnknown;
  double count = 0;
  while (const dirent* entry = readdir(directory.get())) {
    if (entry->d_name[0] != '.') ++count;
  }
  return count - 1;  // the directory's own
}

double max_descriptors() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return kUnknown;
  return static_cast<double>(limit.rlim_cur);
}

// The kernel tells the start in clock ticks since boot: the 22nd field of stat. The second, the command's
// name, may hold spaces and parentheses, so that fields are counted from the last parenthesis (proc(5)).
double start_time_seconds() {
  std::ifstream stat("/proc/self/stat");
  const std::string text((std::istreambuf_iterator<char>(stat)), std::istreambuf_iterator<char>());
  const auto name_end = text.rfind(')');
  if (name_end == std::string::npos) return kUnknown;
  std::istringstream fields(text.substr(name_end + 1));
  std::string skipped;
  for (int field = 3; field < 22; ++field) fields >> skipped;
  double ticks = 0;
  if (!(fields >> ticks)) return kUnknown;
  const double boot = seconds_of(CLOCK_REALTIME) - seconds_of(CLOCK_BOOTTIME);
  return boot + ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
}

}  // namespace

void register_process_metrics(Registry& registry, std::string_view version) {
  registry.gauge_at_scrape("process_resident_memory_bytes", "Resident memory size in bytes.", {},
                           &resident_memory_bytes);
  registry.gauge_at_scrape("process_open_fds", "Number of open file descriptors.", {}, &open_descriptors);
  registry.gauge_at_scrape("process_max_fds", "Maximum number of open file descriptors.", {},
                           &max_descriptors);
  registry.counter_at_scrape("process_cpu_seconds_total", "User and system CPU time spent, in seconds.", {},
                             [] { return seconds_of(CLOCK_PROCESS_CPUTIME_ID); });
  registry.gauge_at_scrape("process_start_time_seconds", "Start time of the process, in seconds since 1970.",
                           {}, [start = start_time_seconds()] { return start; });
  registry.gauge_at_scrape("sluice_build_info", "Always 1; the label tells the version that runs.",
                           {{"version", std::string(version)}}, [] { return 1.0; });
  registry.counter_at_scrape("sluice_log_dropped_lines_total",
                             "Log lines given up because their file or terminal was too slow or failed.", {},
                             [] { return static_cast<double>(dropped_log_lines()); });
}

}  // namespace sluice::metrics
