#include "gateway/unix_socket.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <system_error>
#include <thread>
#include <utility>

#include "tls/passed_descriptors.h"
#include "upstream/socket_address.h"

namespace sluice {
namespace {

constexpr std::chrono::milliseconds kLockPatience{2000};
constexpr std::chrono::milliseconds kLockPause{10};

[[noreturn]] void fail(const std::string& path, const char* call, int error) {
  throw std::system_error(error, std::system_category(), "cannot listen on unix:" + path + " (" + call + ")");
}

tls::Descriptor make_socket(const std::string& path) {
  tls::Descriptor descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!descriptor) fail(path, "socket", errno);
  return descriptor;
}

// Two gateways that start at once must not take each other's new socket for a stale one: whoever looks and
// binds holds the folder's lock meanwhile. A folder that may not be read cannot be locked, and is used all
// the same.
tls::Descriptor lock_folder(const std::string& path) {
  std::string folder = std::filesystem::path(path).parent_path().string();
  if (folder.empty()) folder = ".";
  tls::Descriptor lock(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!lock) {
    if (errno == EACCES) return lock;
    fail(path, "its folder", errno);
  }
  const auto end = std::chrono::steady_clock::now() + kLockPatience;
  while (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) break;  // not every file system has locks
    if (std::chrono::steady_clock::now() > end) fail(path, "its folder is locked", EWOULDBLOCK);
    std::this_thread::sleep_for(kLockPause);
  }
  return lock;
}

// Removes a socket file at which nobody listens. False: somebody does, or who knows.
bool remove_stale(const std::string& path, const upstream::SocketAddress& address) {
  struct stat found {};
  if (::lstat(path.c_str(), &found) != 0) return errno == ENOENT;
  if (!S_ISSOCK(found.st_mode)) fail(path, "bind", EEXIST);
  const tls::Descriptor probe = make_socket(path);
  const bool refused = ::connect(probe.get(), address.data(), address.size()) != 0 && errno == ECONNREFUSED;
  return refused && (::unlink(path.c_str()) == 0 || errno == ENOENT);
}

}  // namespace

UnixSocketFile::UnixSocketFile(std::string path) {
  struct stat found {};
  if (::lstat(path.c_str(), &found) != 0) return;
  path_ = std::move(path);
  device_ = found.st_dev;
  inode_ = found.st_ino;
}

UnixSocketFile::UnixSocketFile(UnixSocketFile&& other) noexcept
    : path_(std::exchange(other.path_, {})), device_(other.device_), inode_(other.inode_) {}

UnixSocketFile& UnixSocketFile::operator=(UnixSocketFile&& other) noexcept {
  if (this != &other) {
    remove();
    path_ = std::exchange(other.path_, {});
    device_ = other.device_;
    inode_ = other.inode_;
  }
  return *this;
}

void UnixSocketFile::remove() noexcept {
  const std::string path = std::exchange(path_, {});
  struct stat now {};
  if (path.empty() || ::lstat(path.c_str(), &now) != 0) return;
  if (now.st_dev == device_ && now.st_ino == inode_) ::unlink(path.c_str());
}

tls::Descriptor open_unix_socket(const std::string& path, unsigned mode, int backlog, UnixSocketFile& file) {
  const upstream::SocketAddress address = upstream::SocketAddress::unix_socket(path);
  const tls::Descriptor lock = lock_folder(path);
  tls::Descriptor descriptor = make_socket(path);
  if (::bind(descriptor.get(), address.data(), address.size()) != 0) {
    const int error = errno;
    if (error != EADDRINUSE || !remove_stale(path, address)) fail(path, "bind", error);
    if (::bind(descriptor.get(), address.data(), address.size()) != 0) fail(path, "bind", errno);
  }
  file = UnixSocketFile(path);
  // Nobody can connect before listen(), so the mode comes in time.
  if (::chmod(path.c_str(), mode) != 0) fail(path, "chmod", errno);
  tls::refuse_descriptors(descriptor.get());
  if (::listen(descriptor.get(), backlog) != 0) fail(path, "listen", errno);
  return descriptor;
}

}  // namespace sluice
