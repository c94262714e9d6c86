// A typed look at the parsed file: a Value is one node together with its key path and the report that its
// problems go to. The only place, with yaml_reader.cpp, that touches YAML. Used by one thread while loading.
#pragma once

#include <yaml-cpp/yaml.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/report.h"
#include "config/route_config.h"

namespace sluice::config {

class Value {
 public:
  struct Entry;

  Value(YAML::Node node, std::string path, Report& report)
      : node_(std::move(node)), path_(std::move(path)), report_(&report) {}

  const std::string& path() const { return path_; }
  std::string path_of(const std::string& key) const { return path_.empty() ? key : path_ + "." + key; }
  Report& report() const { return *report_; }
  void problem(std::string what) const { report_->problem(path_, std::move(what)); }
  // `... is a list; expected EXPECTED`
  void wrong_type(const std::string& expected) const;

  bool is_map() const { return node_.IsMap(); }
  bool is_list() const { return node_.IsSequence(); }

  // Each reports what is wrong and then returns nothing. `expected` ends the message.
  // The scalar with the environment filled in; request variables are a problem.
  std::optional<std::string> text(const std::string& expected) const;
  // The same for numbers and booleans, which quotes would make a text, unless a ${NAME} needs them.
  std::optional<std::string> unquoted(const std::string& expected) const;
  // The scalar with request variables allowed.
  std::optional<Template> text_template(const std::string& expected) const;
  std::optional<std::vector<Value>> elements(const std::string& expected) const;
  // In file order. A key that stands there twice is reported and its second value left out.
  std::optional<std::vector<Entry>> entries(const std::string& expected) const;

 private:
  YAML::Node node_;
  std::string path_;
  Report* report_;
};

struct Value::Entry {
  std::string key;
  Value value;
};

// Parses one YAML document. Nothing (and a problem in the report) when it is none, or empty, or several.
std::optional<Value> parse_document(const std::string& text, Report& report);

}  // namespace sluice::config
