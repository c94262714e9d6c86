#include "metrics/log.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace sluice::metrics {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Clock = std::chrono::steady_clock;

std::vector<std::string> lines_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

// A file in the place of one of the standard descriptors, while it lives.
class Redirected {
 public:
  Redirected(int descriptor, const std::filesystem::path& path)
      : descriptor_(descriptor), saved_(dup(descriptor)) {
    const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    dup2(file, descriptor_);
    close(file);
  }
  ~Redirected() {
    dup2(saved_, descriptor_);
    close(saved_);
  }
  Redirected(const Redirected&) = delete;
  Redirected& operator=(const Redirected&) = delete;

 private:
  int descriptor_;
  int saved_;
};

class Log : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "sluice-log-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override {
    shutdown_logs();
    std::filesystem::remove_all(directory_);
  }

  void start(const std::filesystem::path& file,
             config::AccessLogFormat format = config::AccessLogFormat::json, config::Log log_config = {}) {
    start_logs(log_config, {file.string(), format});
  }
  // The pipe's end, open for reading; below 0: there is none.
  int start_on_a_pipe_that_nobody_reads() {
    const auto fifo = directory_ / "fifo";
    if (mkfifo(fifo.c_str(), 0600) != 0) return -1;
    const int reader = open(fifo.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (reader >= 0) start(fifo);
    return reader;
  }
  // What the process log writes while `work` runs.
  std::vector<std::string> process_log(config::Log log_config, const std::function<void()>& work) {
    const auto path = directory_ / "stderr";
    const Redirected redirected(STDERR_FILENO, path);
    start({}, config::AccessLogFormat::off, log_config);
    work();
    shutdown_logs();
    return lines_of(path);
  }

  // Lets a log thread end that shutdown_logs() gave up waiting for: without a reader its writes fail, which
  // it reports on stderr. SIGPIPE must not reach anybody.
  void end_left_behind(int reader) {
    close(reader);
    const auto reported = [this] {
      const auto lines = lines_of(directory_ / "stderr");
      return !lines.empty() && lines.back().ends_with("Broken pipe");
    };
    while (!reported()) std::this_thread::yield();
  }

  std::filesystem::path directory_;
};

TEST_F(Log, AccessLogWritesLinesAsGiven) {
  start(directory_ / "access");
  ASSERT_NE(access_log(), nullptr);
  EXPECT_EQ(access_log_format(), config::AccessLogFormat::json);
  access_log()->info("{\"a\":\"%v {} \xff\"}");
  access_log()->info(std::string(100000, 'x'));
  shutdown_logs();
  EXPECT_THAT(lines_of(directory_ / "access"),
              ElementsAre("{\"a\":\"%v {} \xff\"}", std::string(100000, 'x')));
}

TEST_F(Log, LevelDoesNotSilenceTheAccessLog) {
  start(directory_ / "access", config::AccessLogFormat::combined,
        {config::LogLevel::error, config::LogFormat::text});
  access_log()->info("line");
  EXPECT_EQ(access_log_format(), config::AccessLogFormat::combined);
  shutdown_logs();
  EXPECT_THAT(lines_of(directory_ / "access"), ElementsAre("line"));
}

TEST_F(Log, KeepsEveryLineInOrderWhenItIsNotTooFast) {
  start(directory_ / "access");
  const std::uint64_t dropped = dropped_log_lines();
  for (int i = 0; i < 5000; ++i) access_log()->info(std::to_string(i));
  shutdown_logs();
  const auto lines = lines_of(directory_ / "access");
  ASSERT_EQ(lines.size(), 5000U);
  for (int i = 0; i < 5000; ++i) EXPECT_EQ(lines[static_cast<std::size_t>(i)], std::to_string(i));
  EXPECT_EQ(dropped_log_lines(), dropped);
}

TEST_F(Log, AppendsToAnExistingFile) {
  std::ofstream(directory_ / "access") << "old\n";
  start(directory_ / "access");
  access_log()->info("new");
  shutdown_logs();
  EXPECT_THAT(lines_of(directory_ / "access"), ElementsAre("old", "new"));
}

TEST_F(Log, DevStdoutIsTheDescriptorItself) {
  const Redirected redirected(STDOUT_FILENO, directory_ / "stdout");
  start("/dev/stdout");
  access_log()->info("line");
  reopen_logs();
  access_log()->info("after");
  shutdown_logs();
  EXPECT_THAT(lines_of(directory_ / "stdout"), ElementsAre("line", "after"));
  EXPECT_NE(fcntl(STDOUT_FILENO, F_GETFD), -1) << "still open";
}

TEST_F(Log, AccessLogMayBeOff) {
  start("/nowhere/at/all", config::AccessLogFormat::off);
  EXPECT_EQ(access_log(), nullptr);
  reopen_logs();
}

TEST_F(Log, AnAccessLogThatCannotBeOpenedIsAnError) {
  try {
    start(directory_ / "missing" / "access");
    FAIL() << "it opened";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("missing/access: No such file or directory"));
  }
  EXPECT_EQ(access_log(), nullptr);
}

TEST_F(Log, AFifoWithoutAReaderFailsInsteadOfHanging) {
  const auto fifo = directory_ / "fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_THROW(start(fifo), std::runtime_error);
}

TEST_F(Log, ReopenFollowsARenamedFile) {
  start(directory_ / "access");
  access_log()->info("one");
  // The first line must be on its way before the file moves: wait for it to arrive.
  while (lines_of(directory_ / "access").empty()) std::this_thread::yield();
  std::filesystem::rename(directory_ / "access", directory_ / "access.1");
  reopen_logs();
  access_log()->info("two");
  shutdown_logs();
  EXPECT_THAT(lines_of(directory_ / "access.1"), ElementsAre("one"));
  EXPECT_THAT(lines_of(directory_ / "access"), ElementsAre("two"));
}

TEST_F(Log, ReopenNeedsNoLine) {
  start(directory_ / "access");
  std::filesystem::rename(directory_ / "access", directory_ / "access.1");
  reopen_logs();
  while (!std::filesystem::exists(directory_ / "access")) std::this_thread::yield();
}

TEST_F(Log, AFileThatCannotBeReopenedLeavesTheOldOne) {
  std::filesystem::create_directory(directory_ / "logs");
  const Redirected redirected(STDERR_FILENO, directory_ / "stderr");
  start(directory_ / "logs" / "access");
  std::filesystem::rename(directory_ / "logs", directory_ / "moved");
  reopen_logs();
  access_log()->info("line");
  while (lines_of(directory_ / "stderr").empty()) std::this_thread::yield();
  shutdown_logs();
  EXPECT_THAT(lines_of(directory_ / "moved" / "access"), ElementsAre("line"));
  EXPECT_THAT(lines_of(directory_ / "stderr"), ElementsAre(AllOf(HasSubstr("error cannot reopen log"), HasSubstr("lines go on to the file as it was"))));
}

TEST_F(Log, LinesThatCannotBeWrittenAreCountedAndReportedOnce) {
  const Redirected redirected(STDERR_FILENO, directory_ / "stderr");
  start("/dev/full");
  const std::uint64_t dropped = dropped_log_lines();
  for (int i = 0; i < 10; ++i) access_log()->info("line");
  while (dropped_log_lines() < dropped + 10) std::this_thread::yield();
  shutdown_logs();
  EXPECT_EQ(dropped_log_lines(), dropped + 10);
  EXPECT_THAT(lines_of(directory_ / "stderr"),
              ElementsAre(HasSubstr("error cannot write log /dev/full: No space left on device")));
}

// The promise to the workers: whatever the disk or the reader does, a line costs them a place in a queue.
TEST_F(Log, NeverBlocksWhenNobodyReads) {
  const Redirected redirected(STDERR_FILENO, directory_ / "stderr");
  const int reader = start_on_a_pipe_that_nobody_reads();
  ASSERT_GE(reader, 0);
  const std::uint64_t dropped_before = dropped_log_lines();
  const std::string line(200, 'x');

  const auto start_time = Clock::now();
  for (int i = 0; i < 100000; ++i) access_log()->info(line);
  const auto logging = Clock::now() - start_time;
  EXPECT_LT(logging, std::chrono::seconds(10));
  // What fits: the queue, a buffer of the log thread and the pipe's 64 KiB.
  EXPECT_GT(dropped_log_lines(), dropped_before + 80000);

  const auto shutdown_time = Clock::now();
  shutdown_logs();
  EXPECT_LT(Clock::now() - shutdown_time, std::chrono::seconds(3));
  EXPECT_EQ(access_log(), nullptr);

  end_left_behind(reader);
}

// Long lines find fewer places: the queue is bounded in bytes too.
TEST_F(Log, HoldsNoMoreThanItsBytesWhenNobodyReads) {
  const Redirected redirected(STDERR_FILENO, directory_ / "stderr");
  const int reader = start_on_a_pipe_that_nobody_reads();
  ASSERT_GE(reader, 0);
  const std::uint64_t dropped_before = dropped_log_lines();
  const std::string line(std::size_t{100} << 10, 'x');
  for (int i = 0; i < 1000; ++i) access_log()->info(line);
  // 16 MiB are 163 such lines; the log thread has one, and the pipe a part of it.
  EXPECT_GE(dropped_log_lines(), dropped_before + 1000 - 166);
  shutdown_logs();
  end_left_behind(reader);
}

TEST_F(Log, AStuckAccessLogLeavesTheProcessLogAlone) {
  const auto fifo = directory_ / "fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  const int reader = open(fifo.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
  const Redirected redirected(STDERR_FILENO, directory_ / "stderr");
  start(fifo);
  for (int i = 0; i < 1000; ++i) access_log()->info(std::string(1000, 'x'));
  log().info("still here");
  while (lines_of(directory_ / "stderr").empty()) std::this_thread::yield();
  shutdown_logs();
  EXPECT_THAT(lines_of(directory_ / "stderr"), ElementsAre(HasSubstr("info still here")));
  end_left_behind(reader);
}

TEST_F(Log, ManyThreadsLogWholeLines) {
  start(directory_ / "access");
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      for (int i = 0; i < 1000; ++i) access_log()->info(std::string(50, static_cast<char>('a' + t)));
    });
  }
  for (std::thread& thread : threads) thread.join();
  shutdown_logs();
  const auto lines = lines_of(directory_ / "access");
  EXPECT_EQ(lines.size(), 4000U);
  for (const std::string& line : lines) EXPECT_EQ(line, std::string(50, line.at(0)));
}

TEST_F(Log, TextLinesAreOneLineEach) {
  const auto lines = process_log({}, [] {
    log().info("no such name: {}", "a\r\nfake \x1b[31m\xff");
    log().warn("Grüße C:\\x");
    log().debug("not at this level");
  });
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_THAT(lines[0], ::testing::MatchesRegex("20..-..-..T..:..:..[.]...Z info no such name: .*"));
  EXPECT_THAT(lines[0], HasSubstr("a\\x0d\\x0afake \\x1b[31m\\xff"));
  EXPECT_TRUE(lines[1].ends_with("Z warn Grüße C:\\x"));
}

TEST_F(Log, JsonLinesAreJsonWhateverTheMessageHolds) {
  std::string worst = "\",\"level\":\"forged\"}\r\n{";
  for (int c = 0; c < 256; ++c) worst += static_cast<char>(c);
  const auto lines = process_log({config::LogLevel::trace, config::LogFormat::json}, [&] {
    log().trace(worst);
    log().error("plain");
  });
  ASSERT_EQ(lines.size(), 2U);
  const auto first = nlohmann::json::parse(lines[0]);
  EXPECT_EQ(first.size(), 3U);
  EXPECT_EQ(first["level"], "trace");
  const auto second = nlohmann::json::parse(lines[1]);
  EXPECT_EQ(second["level"], "error");
  EXPECT_EQ(second["message"], "plain");
  EXPECT_THAT(second["time"].get<std::string>(), ::testing::MatchesRegex("20..-..-..T..:..:..[.]...Z"));
}

TEST_F(Log, LevelsFilter) {
  const auto log_all = [] {
    log().trace("x");
    log().debug("x");
    log().info("x");
    log().warn("x");
    log().error("x");
  };
  std::size_t expected = 5;
  for (const auto level : {config::LogLevel::trace, config::LogLevel::debug, config::LogLevel::info,
                           config::LogLevel::warn, config::LogLevel::error}) {
    EXPECT_EQ(process_log({level, config::LogFormat::text}, log_all).size(), expected--);
    std::filesystem::remove(directory_ / "stderr");
  }
}

TEST_F(Log, BeforeStartAndAfterShutdownItIsSynchronous) {
  const auto path = directory_ / "stderr";
  const Redirected redirected(STDERR_FILENO, path);
  log().info("early");
  EXPECT_THAT(lines_of(path), ElementsAre(HasSubstr("info early")));
  start({}, config::AccessLogFormat::off);
  shutdown_logs();
  log().info("late");
  EXPECT_THAT(lines_of(path), ElementsAre(HasSubstr("early"), HasSubstr("late")));
}

std::string escaped(std::string_view text) {
  std::string out;
  append_json_escaped(out, text);
  return out;
}

TEST(JsonEscape, EscapesWhatMustBe) {
  EXPECT_EQ(escaped("a\"b\\c\nd\te\rf"), "a\\\"b\\\\c\\nd\\te\\u000df");
  EXPECT_EQ(escaped(std::string_view("\0\x1f\x7f", 3)), "\\u0000\\u001f\\u007f");
  EXPECT_EQ(escaped("\xC2\x80\xC2\x9F\xC2\xA0"), "\\u0080\\u009f\xC2\xA0");
  EXPECT_EQ(escaped("\xE2\x80\xA8\xE2\x80\xA9"), "\\u2028\\u2029");
  EXPECT_EQ(escaped("Grüße \xF0\x9F\x91\x8B"), "Grüße \xF0\x9F\x91\x8B");
}

TEST(JsonEscape, ReplacesInvalidUtf8) {
  const std::string bad = "\xEF\xBF\xBD";
  EXPECT_EQ(escaped("\xff"
                    "a"),
            bad + "a");
  EXPECT_EQ(escaped("\x80"), bad);
  EXPECT_EQ(escaped("\xC0\xAF"), bad + bad);
  EXPECT_EQ(escaped("\xE0\x80\xAF"), bad + bad + bad);
  EXPECT_EQ(escaped("\xED\xA0\x80"), bad + bad + bad);
  EXPECT_EQ(escaped("\xF4\x90\x80\x80"), bad + bad + bad + bad);
  EXPECT_EQ(escaped("\xF5\x80"), bad + bad);
  EXPECT_EQ(escaped("\xE2\x82"), bad);
  EXPECT_EQ(escaped("\xE2\x82\""), bad + "\\\"");
  EXPECT_EQ(escaped("\xF0\x9F\x91"
                    "x"),
            bad + "x");
}

TEST(JsonEscape, IsValidForEveryPairOfBytes) {
  for (int a = 0; a < 256; ++a) {
    for (int b = 0; b < 256; ++b) {
      const std::string text = {static_cast<char>(a), static_cast<char>(b)};
      ASSERT_TRUE(nlohmann::json::accept("\"" + escaped(text) + "\"")) << a << " " << b;
    }
  }
}

TEST(MaskQuery, MasksSecretsAndNothingElse) {
  EXPECT_EQ(mask_query("/"), "/");
  EXPECT_EQ(mask_query(""), "");
  EXPECT_EQ(mask_query("/a?b=c&d"), "/a?b=c&d");
  EXPECT_EQ(mask_query("/token=1/x"), "/token=1/x");
  EXPECT_EQ(mask_query("/?token=abc"), "/?token=***");
  EXPECT_EQ(mask_query("/?access_token=abc&x=1"), "/?access_token=***&x=1");
  EXPECT_EQ(mask_query("/?x=1&key=abc&password=def&y=2"), "/?x=1&key=***&password=***&y=2");
  EXPECT_EQ(mask_query("/?key="), "/?key=***");
  EXPECT_EQ(mask_query("/?token"), "/?token");
  EXPECT_EQ(mask_query("/?token&key=1"), "/?token&key=***");
  EXPECT_EQ(mask_query("/?tokens=1&mytoken=2&keyword=3"), "/?tokens=1&mytoken=2&keyword=3");
  EXPECT_EQ(mask_query("/?a_very_long_name_of_a_parameter=1"), "/?a_very_long_name_of_a_parameter=1");
  EXPECT_EQ(mask_query("/?"), "/?");
  EXPECT_EQ(mask_query("/?&=&key=1"), "/?&=&key=***");
  EXPECT_EQ(mask_query("https://h/p?token=1"), "https://h/p?token=***");
}

TEST(MaskQuery, SeesThroughDisguises) {
  EXPECT_EQ(mask_query("/?%74oken=abc"), "/?%74oken=***");
  EXPECT_EQ(mask_query("/?TOKEN=abc&Access_Token=d"), "/?TOKEN=***&Access_Token=***");
  EXPECT_EQ(mask_query("/?%5"), "/?%5");
  EXPECT_EQ(mask_query("/?token=a=b=c&x=1"), "/?token=***&x=1");
  // Some applications split at `;` and others do not: no reading may leave a secret.
  EXPECT_EQ(mask_query("/?a=1;token=abc"), "/?a=1;token=***");
  EXPECT_EQ(mask_query("/?token=ab;cd&x=1"), "/?token=***&x=1");
  EXPECT_EQ(mask_query("/?token=a?b"), "/?token=***");
}

TEST(MaskQuery, MaskingTwiceChangesNothing) {
  const std::string once = mask_query("/?token=abc&x=1;key=2");
  EXPECT_EQ(mask_query(once), once);
}

}  // namespace
}  // namespace sluice::metrics
