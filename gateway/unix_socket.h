// A listening unix socket and its file: what an earlier gateway left behind is cleared away, what somebody
// answers at is not. The control thread opens it; the file may be removed by whoever closes the socket.
#pragma once

#include <sys/types.h>

#include <string>

#include "tls/descriptor.h"

namespace sluice {

// Removes the file when it goes, unless it has become another one meanwhile.
class UnixSocketFile {
 public:
  UnixSocketFile() = default;
  explicit UnixSocketFile(std::string path);  // of a socket that was bound just now
  UnixSocketFile(UnixSocketFile&& other) noexcept;
  UnixSocketFile& operator=(UnixSocketFile&& other) noexcept;
  ~UnixSocketFile() { remove(); }
  void remove() noexcept;
  // It is somebody else's from now on.
  void release() noexcept { path_.clear(); }

 private:
  std::string path_;  // empty: none
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

// Bound and listening. Throws std::system_error: address_in_use when somebody answers there, file_exists when
// a file stands there that is no socket.
tls::Descriptor open_unix_socket(const std::string& path, unsigned mode, int backlog, UnixSocketFile& file);

}  // namespace sluice
