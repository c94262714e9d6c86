#include "gateway/unix_socket.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "upstream/socket_address.h"

namespace sluice {
namespace {

class UnixSocketTest : public ::testing::Test {
 protected:
  UnixSocketTest() {
    char pattern[] = "/tmp/sluice-unix-XXXXXX";
    folder = ::mkdtemp(pattern);
    path = folder / "web.sock";
  }
  ~UnixSocketTest() override { std::filesystem::remove_all(folder); }

  tls::Descriptor open(UnixSocketFile& file, unsigned mode = 0600) {
    return open_unix_socket(path, mode, 16, file);
  }
  std::error_code failure() {
    UnixSocketFile file;
    try {
      open(file);
    } catch (const std::system_error& error) {
      EXPECT_NE(std::string(error.what()).find("unix:" + path.string()), std::string::npos) << error.what();
      return error.code();
    }
    return {};
  }
  bool can_connect() const {
    const auto address = upstream::SocketAddress::unix_socket(path);
    const tls::Descriptor client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    return ::connect(client.get(), address.data(), address.size()) == 0;
  }
  bool exists() const { return std::filesystem::exists(std::filesystem::symlink_status(path)); }

  std::filesystem::path folder;
  std::filesystem::path path;
};

TEST_F(UnixSocketTest, ListensWithTheModeAskedFor) {
  for (const unsigned mode : {0600u, 0660u, 0666u}) {
    UnixSocketFile file;
    const tls::Descriptor socket = open(file, mode);
    EXPECT_TRUE(can_connect());
    struct stat found {};
    ASSERT_EQ(::stat(path.c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 07777, mode);
  }
  EXPECT_FALSE(exists());
}

TEST_F(UnixSocketTest, TakesThePlaceOfASocketThatNobodyListensAt) {
  {
    const auto address = upstream::SocketAddress::unix_socket(path);
    const tls::Descriptor left_behind(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::bind(left_behind.get(), address.data(), address.size()), 0);
  }
  ASSERT_TRUE(exists());
  ASSERT_FALSE(can_connect());
  UnixSocketFile file;
  const tls::Descriptor socket = open(file);
  EXPECT_TRUE(can_connect());
}

TEST_F(UnixSocketTest, LeavesASocketThatAnswersAlone) {
  UnixSocketFile file;
  const tls::Descriptor socket = open(file);
  EXPECT_EQ(failure(), std::errc::address_in_use);
  EXPECT_TRUE(can_connect());
}

TEST_F(UnixSocketTest, LeavesASocketWithAFullQueueAlone) {
  UnixSocketFile file;
  const tls::Descriptor socket = open_unix_socket(path, 0600, 0, file);
  const auto address = upstream::SocketAddress::unix_socket(path);
  std::vector<tls::Descriptor> waiting;
  do {
    waiting.emplace_back(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  } while (::connect(waiting.back().get(), address.data(), address.size()) == 0);
  EXPECT_EQ(failure(), std::errc::address_in_use);
  EXPECT_TRUE(exists());
}

TEST_F(UnixSocketTest, LeavesOtherFilesAlone) {
  std::ofstream(path) << "precious";
  EXPECT_EQ(failure(), std::errc::file_exists);
  EXPECT_EQ(std::filesystem::file_size(path), 8u);
}

TEST_F(UnixSocketTest, DoesNotFollowALinkToClearItAway) {
  std::filesystem::create_symlink(folder / "elsewhere", path);
  EXPECT_EQ(failure(), std::errc::file_exists);
  EXPECT_TRUE(exists());
}

TEST_F(UnixSocketTest, NeedsItsFolder) {
  path = folder / "none" / "web.sock";
  EXPECT_EQ(failure(), std::errc::no_such_file_or_directory);
}

TEST_F(UnixSocketTest, RemovesNoFileThatHasBecomeAnothers) {
  UnixSocketFile file;
  const tls::Descriptor socket = open(file);
  std::filesystem::remove(path);
  UnixSocketFile others;
  const tls::Descriptor other = open(others);
  file.remove();
  EXPECT_TRUE(can_connect());
}

}  // namespace
}  // namespace sluice
