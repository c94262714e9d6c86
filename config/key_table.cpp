#include "config/key_table.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "config/report.h"
#include "config/suggestion.h"

namespace sluice::config {
namespace {

constexpr char kMapExpected[] = "a map of keys";

std::vector<std::string> names_of(const std::vector<KeyInfo>& rows) {
  std::vector<std::string> names;
  for (const KeyInfo& row : rows) names.push_back(row.name);
  return names;
}

const KeyInfo* find_row(const std::string& name, const std::vector<KeyInfo>& rows) {
  const auto found =
      std::find_if(rows.begin(), rows.end(), [&name](const KeyInfo& row) { return row.name == name; });
  return found == rows.end() ? nullptr : &*found;
}

// Keys that do not work yet are not offered, unless it is below one of them.
std::vector<std::string> offered(const std::vector<KeyInfo>& rows) {
  std::vector<std::string> names;
  for (const KeyInfo& row : rows) {
    if (row.supported) names.push_back(row.name);
  }
  return names.empty() ? names_of(rows) : names;
}

// With the keys, where they are few: whoever wrote a value wanted one of them.
std::string map_expected(const std::vector<KeyInfo>& rows) {
  constexpr std::size_t kFew = 4;
  const std::vector<std::string> names = offered(rows);
  return names.empty() || names.size() > kFew ? kMapExpected : std::string(kMapExpected) + ": " + one_of(names);
}

// The keys of this name in the maps below `rows`, by their paths.
void find_below(const std::string& name, const std::vector<KeyInfo>& rows, const std::string& path, std::vector<std::string>& found) {
  for (const KeyInfo& row : rows) {
    if (row.kind != Kind::map || !row.supported) continue;
    const std::string below = path + row.name + ".";
    if (find_row(name, row.children) != nullptr) found.push_back(below + name);
    find_below(name, row.children, below, found);
  }
}

// What was probably meant: a key that others call so, one that stands deeper, or one that is spelt alike; else empty.
std::string meant(const std::string& name, const std::vector<KeyInfo>& rows) {
  for (const KeyInfo& row : rows) {
    if (std::find(row.also_called.begin(), row.also_called.end(), name) != row.also_called.end()) return row.name;
  }
  std::vector<std::string> below;
  find_below(name, rows, "", below);
  return below.size() == 1 ? below.front() : nearest(name, names_of(rows));
}

void report_unknown(const Value::Entry& entry, const std::vector<KeyInfo>& rows) {
  const std::string near = meant(entry.key, rows);
  entry.value.problem("unknown key; " + (near.empty() ? "expected " + one_of(offered(rows)) : "did you mean " + near + "?"));
}

// Below a key that is refused as a whole only names that nobody knows are worth a word.
void check_names(const Value& value, const std::vector<KeyInfo>& rows) {
  if (rows.empty()) return;
  if (value.is_list()) {
    const auto elements = value.elements("a list");
    for (const Value& element : *elements) check_names(element, rows);
  }
  if (!value.is_map()) return;
  const auto entries = value.entries(kMapExpected);
  for (const Value::Entry& entry : *entries) {
    const KeyInfo* row = find_row(entry.key, rows);
    if (row == nullptr) {
      report_unknown(entry, rows);
    } else {
      check_names(entry.value, row->children);
    }
  }
}

bool is_off(const std::string& text, const KeyInfo& row) { return row.may_be_off && text == "off"; }

bool in_range(std::uint64_t number, const KeyInfo& row) {
  return number >= row.minimum && number <= row.maximum;
}

void wrong_value(const Value& value, const std::string& text, const KeyInfo& row) {
  value.problem("is " + in_quotes(text) + "; expected " + row.expected);
}

std::string with_off(bool may_be_off, const std::string& expected) {
  return may_be_off ? "off or " + expected : expected;
}

}  // namespace

std::vector<Match> match_keys(const Value& value, const std::vector<KeyInfo>& rows) {
  std::vector<Match> matches;
  const auto entries = value.entries(map_expected(rows));
  if (!entries) return matches;
  for (const Value::Entry& entry : *entries) {
    const KeyInfo* row = find_row(entry.key, rows);
    if (row == nullptr) {
      report_unknown(entry, rows);
    } else if (!row->supported) {
      entry.value.problem("not supported yet; remove it");
      check_names(entry.value, row->children);
    } else {
      matches.push_back({static_cast<std::size_t>(row - rows.data()), entry.value});
    }
  }
  for (const KeyInfo& row : rows) {
    const std::string path = value.path_of(row.name);
    if (row.required && !value.report().mentions(path)) {
      value.report().problem(path, "is missing; expected " + row.expected);
    }
  }
  return matches;
}

bool read_boolean(const Value& value, const KeyInfo& row, bool& result) {
  const auto text = value.unquoted(row.expected);
  if (!text) return false;
  if (*text != "true" && *text != "false") {
    wrong_value(value, *text, row);
    return false;
  }
  result = *text == "true";
  return true;
}

bool read_integer(const Value& value, const KeyInfo& row, std::optional<std::uint64_t>& result) {
  const auto text = value.text(row.expected);
  if (!text) return false;
  if (is_off(*text, row)) {
    result.reset();
    return true;
  }
  if (!value.unquoted(row.expected)) return false;
  result = parse_whole_number(*text);
  if (result && in_range(*result, row)) return true;
  wrong_value(value, *text, row);
  return false;
}

bool read_duration(const Value& value, const KeyInfo& row, OptionalDuration& result) {
  const auto text = value.text(row.expected);
  if (!text) return false;
  result.reset();
  if (is_off(*text, row)) return true;
  result = parse_duration(*text);
  if (result && in_range(static_cast<std::uint64_t>(result->count()), row)) return true;
  wrong_value(value, *text, row);
  return false;
}

bool read_size(const Value& value, const KeyInfo& row, OptionalSize& result) {
  const auto text = value.text(row.expected);
  if (!text) return false;
  result.reset();
  if (is_off(*text, row)) return true;
  result = parse_size(*text);
  if (result && in_range(*result, row)) return true;
  wrong_value(value, *text, row);
  return false;
}

bool read_rate(const Value& value, const KeyInfo& row, OptionalRate& result) {
  const auto text = value.text(row.expected);
  if (!text) return false;
  result.reset();
  if (is_off(*text, row)) return true;
  result = parse_rate(*text);
  if (result && in_range(result->times, row)) return true;
  wrong_value(value, *text, row);
  return false;
}

std::optional<std::size_t> read_word(const Value& value, const KeyInfo& row) {
  const auto text = value.text(row.expected);
  if (!text) return std::nullopt;
  const auto found = std::find(row.words.begin(), row.words.end(), *text);
  if (found != row.words.end()) return static_cast<std::size_t>(found - row.words.begin());
  if (std::find(row.later_words.begin(), row.later_words.end(), *text) != row.later_words.end()) {
    value.problem(in_quotes(*text) + " is not supported yet; expected " + row.expected);
  } else {
    wrong_value(value, *text, row);
  }
  return std::nullopt;
}

std::vector<Value> read_list(const Value& value, const KeyInfo& row) {
  auto elements = value.elements("a list: " + row.expected);
  if (!elements) return {};
  if (elements->size() < row.minimum) value.problem("is an empty list; expected " + row.expected);
  return std::move(*elements);
}

void read_off(const Value& value, const KeyInfo& row) {
  const auto text = value.text(row.expected);
  if (text && !is_off(*text, row)) wrong_value(value, *text, row);
}

std::optional<std::string> read_path(const Value& value, bool must_exist) {
  const auto text = value.text("a file name");
  if (!text) return std::nullopt;
  if (text->empty()) {
    value.problem("is empty; expected a file name");
    return std::nullopt;
  }
  const std::string path = value.report().resolve(*text);
  if (!must_exist) return path;
  std::string reason;
  std::error_code ignored;
  errno = 0;
  if (std::filesystem::is_directory(path, ignored)) {
    reason = "it is a folder";
  } else if (!std::ifstream(path).good()) {
    reason = std::strerror(errno);
  }
  if (reason.empty()) return path;
  value.problem(in_quotes(*text) + " cannot be read (" + reason +
                "); expected a readable file, relative to this one");
  return std::nullopt;
}

KeyInfo later_info(std::string name, std::vector<KeyInfo> children) {
  return {.name = std::move(name), .supported = false, .children = std::move(children)};
}

std::vector<KeyInfo> later_infos(std::initializer_list<const char*> names) {
  std::vector<KeyInfo> infos;
  for (const char* name : names) infos.push_back(later_info(name));
  return infos;
}

KeyInfo integer_info(std::string name, Range range, bool may_be_off) {
  return {.name = std::move(name),
          .kind = Kind::integer,
          .expected = with_off(may_be_off, "a whole number from " + std::to_string(range.minimum) + " to " +
                                               std::to_string(range.maximum)),
          .may_be_off = may_be_off,
          .minimum = range.minimum,
          .maximum = range.maximum};
}

KeyInfo duration_info(std::string name, Range milliseconds, bool may_be_off) {
  return {.name = std::move(name),
          .kind = Kind::duration,
          .expected = with_off(
              may_be_off, "a duration from " + duration_text(Duration(milliseconds.minimum)) + " to " +
                              duration_text(Duration(milliseconds.maximum)) + ", such as 500ms, 5s or 1m30s"),
          .may_be_off = may_be_off,
          .minimum = milliseconds.minimum,
          .maximum = milliseconds.maximum};
}

KeyInfo size_info(std::string name, Range range, bool may_be_off) {
  return {.name = std::move(name),
          .kind = Kind::size,
          .expected = with_off(may_be_off, "a size from " + size_text(range.minimum) + " to " +
                                               size_text(range.maximum) + ", such as 64KiB or 10MB"),
          .may_be_off = may_be_off,
          .minimum = range.minimum,
          .maximum = range.maximum};
}

KeyInfo rate_info(std::string name, Range times, bool may_be_off) {
  return {.name = std::move(name),
          .kind = Kind::rate,
          .expected = with_off(may_be_off, "a rate from " + std::to_string(times.minimum) + " to " + std::to_string(times.maximum) +
                                         " in a second, minute or hour, such as 10/s, 600/m or 100/h"),
          .may_be_off = may_be_off,
          .minimum = times.minimum,
          .maximum = times.maximum};
}

KeyInfo word_info(std::string name, std::vector<std::string> words, std::vector<std::string> later_words) {
  return {.name = std::move(name),
          .kind = Kind::word,
          .expected = one_of(words),
          .words = std::move(words),
          .later_words = std::move(later_words)};
}

KeyInfo list_info(std::string name, std::string expected, std::uint64_t minimum) {
  return {.name = std::move(name), .kind = Kind::list, .expected = std::move(expected), .minimum = minimum};
}

KeyInfo map_info(std::string name, std::vector<KeyInfo> children) {
  std::string expected = map_expected(children);
  return {.name = std::move(name), .kind = Kind::map, .expected = std::move(expected), .children = std::move(children)};
}

}  // namespace sluice::config
