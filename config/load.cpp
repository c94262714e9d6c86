#include "config/load.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "config/sections.h"
#include "config/validate.h"

namespace sluice::config {
namespace {

// Thousands of routes take some hundred KiB; more than this is a wrong path, such as a device or a log.
constexpr std::size_t kMaxFileSize = 4 << 20;

Address default_admin_address() { return {.host = "127.0.0.1", .port = 9901, .v6 = false}; }

[[noreturn]] void refuse_file(const std::string& path, const std::string& reason) {
  throw ConfigError(
      {{path, 0, "",
        "cannot be read (" + reason + "); expected a configuration file: create it, or name another with " +
            "--config, or run `sluice proxy --to URL` without any"}});
}

std::string read_whole_file(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) refuse_file(path, "it is a folder");
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) refuse_file(path, std::strerror(errno));
  std::string text(kMaxFileSize + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) refuse_file(path, std::strerror(errno));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kMaxFileSize) refuse_file(path, "it is larger than 4 MiB");
  return text;
}

}  // namespace

Config load_text(const std::string& text, const std::string& name, std::vector<std::string>& warnings) {
  Report report(name);
  Config config;
  if (const auto root = parse_document(text, report)) {
    config_table().read(*root, config);
    if (config.admin && !report.mentions("admin.address")) config.admin->address = default_admin_address();
    for (std::size_t i = 0; i < config.listeners.size(); ++i) {
      if (!report.mentions("listeners[" + std::to_string(i) + "].protocols")) choose_protocols(config.listeners[i]);
    }
    validate(config, report);
  }
  config.lines = report.lines();
  report.finish(warnings);
  return config;
}

Config load_file(const std::string& path, std::vector<std::string>& warnings) {
  return load_text(read_whole_file(path), path, warnings);
}

Problem problem_at(const Config& config, std::string key_path, std::string what) {
  if (!config.lines) return {{}, 0, std::move(key_path), std::move(what)};
  const int line = config.lines->line_of(key_path);
  return {config.lines->file(), line, std::move(key_path), std::move(what)};
}

}  // namespace sluice::config
