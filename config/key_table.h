// One row per key of the file: its name, what may stand there, and which member it fills. The loader reads by
// these rows and takes its messages from them; whatever else describes the file (a schema) walks the same
// KeyInfo tree.
//
// Tables are built once and only read afterwards. config.md's keys that do not work yet are rows too, made by
// later().
#pragma once

#include <functional>
#include <initializer_list>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "config/value_text.h"
#include "config/yaml_reader.h"

namespace sluice::config {

enum class Kind { text, boolean, integer, duration, size, rate, word, list, map };

struct KeyInfo {
  std::string name;
  Kind kind = Kind::text;
  std::string expected = "text";  // ends a message about a wrong value
  bool required = false;
  bool supported = true;      // false: refused with "not supported yet"
  bool may_be_off = false;    // the word `off` may stand there
  std::uint64_t minimum = 0;  // of an integer, a size in bytes, a duration in ms, a rate's number, the elements of a list
  std::uint64_t maximum = 0;
  std::vector<std::string> words = {};        // of Kind::word, or of the elements of a list
  std::vector<std::string> later_words = {};  // words that do not work yet
  std::vector<std::string> also_called = {};  // names that people who know other servers may try, lower case
  bool distinct = false;                      // of a list: nothing stands there twice
  std::vector<KeyInfo> children = {};         // the keys of a map, or of the maps in a list
  bool element_may_be_text = false;           // of a list of maps: a text stands for the map
  // Rules over the children, for descriptions of the file: the loader checks them in validate.cpp, where messages know more.
  std::vector<std::string> exactly_one = {};
  std::vector<std::string> at_most_one = {};
};

struct Range {
  std::uint64_t minimum;
  std::uint64_t maximum;
};

// The keys of `value` that have a row, with the index of the row. Reports unknown, repeated, missing and
// unsupported keys.
struct Match {
  std::size_t row;
  Value value;
};
std::vector<Match> match_keys(const Value& value, const std::vector<KeyInfo>& rows);

// Each reads by its row, reports what is wrong, and is false when there is nothing to store. An absent
// result: `off`.
bool read_boolean(const Value& value, const KeyInfo& row, bool& result);
bool read_integer(const Value& value, const KeyInfo& row, std::optional<std::uint64_t>& result);
bool read_duration(const Value& value, const KeyInfo& row, OptionalDuration& result);
bool read_size(const Value& value, const KeyInfo& row, OptionalSize& result);
bool read_rate(const Value& value, const KeyInfo& row, OptionalRate& result);
// The index into row.words.
std::optional<std::size_t> read_word(const Value& value, const KeyInfo& row);
// The elements of a list of at least row.minimum.
std::vector<Value> read_list(const Value& value, const KeyInfo& row);
// The word `off` where a map might stand.
void read_off(const Value& value, const KeyInfo& row);
// A file name, seen from the folder of the configuration. It must be readable when `must_exist`.
std::optional<std::string> read_path(const Value& value, bool must_exist);

template <class T>
struct Key {
  KeyInfo info;
  std::function<void(const Value&, const KeyInfo&, T&)> read;
};

template <class T>
class Table {
 public:
  Table(std::initializer_list<Key<T>> keys) {
    for (const Key<T>& key : keys) {
      rows_.push_back(key.info);
      readers_.push_back(key.read);
    }
  }
  const std::vector<KeyInfo>& rows() const { return rows_; }
  void read(const Value& value, T& result) const {
    for (const Match& match : match_keys(value, rows_)) {
      readers_[match.row](match.value, rows_[match.row], result);
    }
  }

 private:
  std::vector<KeyInfo> rows_;
  std::vector<decltype(Key<T>::read)> readers_;
};

// Rows of keys that are refused for now. The names below them are known all the same.
KeyInfo later_info(std::string name, std::vector<KeyInfo> children = {});
std::vector<KeyInfo> later_infos(std::initializer_list<const char*> names);
// Texts of row.expected for the kinds that have a range.
KeyInfo integer_info(std::string name, Range range, bool may_be_off);
KeyInfo duration_info(std::string name, Range milliseconds, bool may_be_off);
KeyInfo size_info(std::string name, Range range, bool may_be_off);
KeyInfo rate_info(std::string name, Range times, bool may_be_off);
KeyInfo word_info(std::string name, std::vector<std::string> words, std::vector<std::string> later_words);
KeyInfo list_info(std::string name, std::string expected, std::uint64_t minimum);
KeyInfo map_info(std::string name, std::vector<KeyInfo> children);

template <class T>
Key<T> later(std::string name, std::vector<KeyInfo> children = {}) {
  return {later_info(std::move(name), std::move(children)), {}};
}

template <class T>
Key<T> required(Key<T> key) {
  key.info.required = true;
  return key;
}

// For texts of row.expected that say more than what may stand there.
template <class T>
Key<T> expecting(Key<T> key, std::string expected) {
  key.info.expected = std::move(expected);
  return key;
}

template <class T>
Key<T> also_called(Key<T> key, std::vector<std::string> names) {
  key.info.also_called = std::move(names);
  return key;
}

template <class T>
Key<T> exactly_one(Key<T> key, std::vector<std::string> names) {
  key.info.exactly_one = std::move(names);
  return key;
}

template <class T>
Key<T> at_most_one(Key<T> key, std::vector<std::string> names) {
  key.info.at_most_one = std::move(names);
  return key;
}

template <class T, class M>
Key<T> boolean(std::string name, M T::*member) {
  return {{.name = std::move(name), .kind = Kind::boolean, .expected = "true or false"},
          [member](const Value& value, const KeyInfo& row, T& result) {
            bool read = false;
            if (read_boolean(value, row, read)) result.*member = read;
          }};
}

// An OptionalCount may be off, a plain number may not.
template <class T, class M>
Key<T> integer(std::string name, M T::*member, Range range) {
  constexpr bool kMayBeOff = std::is_same_v<M, OptionalCount>;
  return {integer_info(std::move(name), range, kMayBeOff),
          [member](const Value& value, const KeyInfo& row, T& result) {
            OptionalCount read;
            if (!read_integer(value, row, read)) return;
            if constexpr (kMayBeOff) {
              result.*member = read;
            } else {
              result.*member = static_cast<M>(*read);
            }
          }};
}

// A plain Duration may not be off, but zero unless `least` says otherwise.
template <class T, class M>
Key<T> duration(std::string name, M T::*member, std::uint64_t least = std::is_same_v<M, Duration> ? 0 : 1) {
  constexpr bool kMayBeOff = !std::is_same_v<M, Duration>;
  return {duration_info(std::move(name), {least, kLongestDuration.count()}, kMayBeOff),
          [member](const Value& value, const KeyInfo& row, T& result) {
            OptionalDuration read;
            if (!read_duration(value, row, read)) return;
            if constexpr (kMayBeOff) {
              result.*member = read;
            } else {
              result.*member = *read;
            }
          }};
}

template <class T, class M>
Key<T> size(std::string name, M T::*member, Range range) {
  constexpr bool kMayBeOff = !std::is_same_v<M, std::uint64_t>;
  return {size_info(std::move(name), range, kMayBeOff),
          [member](const Value& value, const KeyInfo& row, T& result) {
            OptionalSize read;
            if (!read_size(value, row, read)) return;
            if constexpr (kMayBeOff) {
              result.*member = read;
            } else {
              result.*member = *read;
            }
          }};
}

// A plain Rate may not be off.
template <class T, class M>
Key<T> rate(std::string name, M T::*member, Range times) {
  constexpr bool kMayBeOff = std::is_same_v<M, OptionalRate>;
  return {rate_info(std::move(name), times, kMayBeOff), [member](const Value& value, const KeyInfo& row, T& result) {
            OptionalRate read;
            if (!read_rate(value, row, read)) return;
            if constexpr (kMayBeOff) {
              result.*member = read;
            } else {
              result.*member = *read;
            }
          }};
}

template <class T, class M>
Key<T> word(std::string name, M T::*member, std::vector<std::pair<std::string, M>> meanings,
            std::vector<std::string> later_words = {}) {
  std::vector<std::string> words;
  for (const auto& meaning : meanings) words.push_back(meaning.first);
  return {word_info(std::move(name), std::move(words), std::move(later_words)),
          [member, meanings](const Value& value, const KeyInfo& row, T& result) {
            if (const auto index = read_word(value, row)) result.*member = meanings[*index].second;
          }};
}

template <class P>
using TextParser = Fault (*)(const std::string&, P&);

// A text of its own syntax.
template <class T, class M, class P>
Key<T> parsed(std::string name, M T::*member, TextParser<P> parse, std::string expected) {
  return {{.name = std::move(name), .kind = Kind::text, .expected = std::move(expected)},
          [member, parse](const Value& value, const KeyInfo& row, T& result) {
            const auto text = value.text(row.expected);
            if (!text) return;
            P read{};
            if (Fault fault = parse(*text, read)) return value.problem(*fault);
            result.*member = std::move(read);
          }};
}

template <class T, class M>
Key<T> parsed_list(std::string name, std::vector<M> T::*member, TextParser<M> parse, std::string expected,
                   std::uint64_t minimum = 0) {
  return {list_info(std::move(name), std::move(expected), minimum),
          [member, parse](const Value& value, const KeyInfo& row, T& result) {
            for (const Value& element : read_list(value, row)) {
              const auto text = element.text(row.expected);
              if (!text) continue;
              M read{};
              if (Fault fault = parse(*text, read)) {
                element.problem(*fault);
              } else {
                (result.*member).push_back(std::move(read));
              }
            }
          }};
}

template <class T, class M, class C>
Key<T> map(std::string name, M T::*member, const Table<C>& table) {
  return {map_info(std::move(name), table.rows()),
          [member, &table](const Value& value, const KeyInfo&, T& result) {
            C read{};
            table.read(value, read);
            // What is no map was reported, and is better absent than half there when rules over several keys
            // are checked.
            if (value.is_map()) result.*member = std::move(read);
          }};
}

// Absent when it is off.
template <class T, class C>
Key<T> map_or_off(std::string name, std::optional<C> T::*member, const Table<C>& table) {
  KeyInfo info = map_info(std::move(name), table.rows());
  info.may_be_off = true;
  info.expected = "off or " + info.expected;
  return {std::move(info), [member, &table](const Value& value, const KeyInfo& row, T& result) {
            if (!value.is_map()) return read_off(value, row);
            table.read(value, (result.*member).emplace());
          }};
}

// Elements that cannot be read stay as their defaults, so that indexes are those of the file.
template <class T, class C>
Key<T> map_list(std::string name, std::vector<C> T::*member, const Table<C>& table, std::string expected,
                std::uint64_t minimum) {
  KeyInfo info = list_info(std::move(name), std::move(expected), minimum);
  info.children = table.rows();
  return {std::move(info), [member, &table](const Value& value, const KeyInfo& row, T& result) {
            for (const Value& element : read_list(value, row)) {
              table.read(element, (result.*member).emplace_back());
            }
          }};
}

// must_exist: the file is read at start, so it must be readable now.
template <class T>
Key<T> file_path(std::string name, std::string T::*member, bool must_exist) {
  return {{.name = std::move(name), .kind = Kind::text, .expected = "a file name"},
          [member, must_exist](const Value& value, const KeyInfo&, T& result) {
            if (auto path = read_path(value, must_exist)) result.*member = std::move(*path);
          }};
}

// At least one file that is read at start.
template <class T>
Key<T> file_paths(std::string name, std::vector<std::string> T::*member) {
  return {list_info(std::move(name), "at least one file name", 1),
          [member](const Value& value, const KeyInfo& row, T& result) {
            for (const Value& element : read_list(value, row)) {
              if (auto path = read_path(element, true)) (result.*member).push_back(std::move(*path));
            }
          }};
}

}  // namespace sluice::config
