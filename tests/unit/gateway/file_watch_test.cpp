#include "gateway/file_watch.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <limits>

namespace sluice {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

// Read after all that has happened by now.
constexpr std::int64_t kAlways = std::numeric_limits<std::int64_t>::max();

class FileWatchTest : public ::testing::Test {
 protected:
  FileWatchTest() {
    std::string pattern = fs::temp_directory_path() / "sluice-watch-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    write("a", "1");
    write("b", "1");
    watch_.watch({path("a"), path("b")}, kAlways);
  }
  ~FileWatchTest() override { fs::remove_all(folder_); }

  std::string path(const std::string& name) { return folder_ / name; }
  void write(const std::string& name, const std::string& text) { std::ofstream(path(name)) << text; }
  // Until it was told `times` times, or for a moment longer than it would take.
  void expect_told(int times) {
    for (int i = 0; i < 200 && told_ < times; ++i) run_for(5ms);
    run_for(60ms);
    EXPECT_EQ(told_, times);
  }
  void run_for(std::chrono::milliseconds time) {
    context_.restart();
    context_.run_for(time);
  }

  fs::path folder_;
  int told_ = 0;
  IoContext context_;
  FileWatch watch_{context_, [this] { ++told_; }, 10ms};
};

TEST_F(FileWatchTest, TellsOfAChangeOnce) {
  expect_told(0);
  write("a", "22");
  expect_told(1);
}

TEST_F(FileWatchTest, TellsOfOneThatIsExchangedRemovedOrComes) {
  write("new", "1");
  fs::rename(path("new"), path("a"));
  expect_told(1);
  fs::remove(path("b"));
  expect_told(2);
  write("b", "1");
  expect_told(3);
}

TEST_F(FileWatchTest, FollowsLinks) {
  fs::create_directory(folder_ / "first");
  fs::create_directory(folder_ / "second");
  write("first/tls.crt", "1");
  write("second/tls.crt", "1");
  fs::create_directory_symlink("first", folder_ / "data");
  watch_.watch({path("data/tls.crt")}, kAlways);
  fs::create_directory_symlink("second", folder_ / "data.new");
  fs::rename(folder_ / "data.new", folder_ / "data");
  expect_told(1);
}

TEST_F(FileWatchTest, AChangeIsNotForgottenByWatchingMore) {
  write("a", "22");
  watch_.watch({path("a"), path("c")}, kAlways);
  expect_told(1);
}

TEST_F(FileWatchTest, TellsOfOneThatChangedWhileItWasReadForTheFirstTime) {
  const std::int64_t since = FileWatch::moment();
  write("c", "1");
  watch_.watch({path("a"), path("c")}, since);
  expect_told(1);
}

TEST_F(FileWatchTest, TellsOfOneThatChangedWhileItWasReadAgain) {
  watch_.before_reading();
  write("a", "22");
  watch_.watch({path("a"), path("b")}, kAlways);
  expect_told(1);
}

TEST_F(FileWatchTest, SaysNothingOfWhatWasReadAfterItChanged) {
  write("a", "22");
  watch_.before_reading();
  watch_.watch({path("a"), path("b")}, kAlways);
  expect_told(0);
}

TEST_F(FileWatchTest, RestsWhenItIsStopped) {
  write("a", "22");
  watch_.stop();
  expect_told(0);
}

}  // namespace
}  // namespace sluice
