#include "config/yaml_reader.h"

#include <yaml-cpp/eventhandler.h>

#include <map>
#include <sstream>

#include "config/interpolation.h"

namespace sluice::config {
namespace {

constexpr char kVariablesExpected[] =
    " is known only per request; expected text without it (request variables work in redirect.to and header "
    "values)";

int line_of(const YAML::Node& node) { return node.Mark().line + 1; }

// What yaml-cpp gives a scalar that stands in quotes.
bool is_quoted(const YAML::Node& node) { return node.Tag() == "!"; }

std::string describe(const YAML::Node& node) {
  if (node.IsMap()) return "is a map of keys";
  if (node.IsSequence()) return "is a list";
  if (node.IsScalar()) return "is " + in_quotes(node.Scalar());
  return "is empty";
}

// Where each document of a stream starts; nothing is kept of what they hold.
class DocumentStarts : public YAML::EventHandler {
 public:
  // Looks for the first two: the third would change nothing, and yaml-cpp hands out documents without end,
  // and without moving on, at a comma that stands outside of brackets (jbeder/yaml-cpp#1040).
  explicit DocumentStarts(const std::string& text) {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    while (marks_.size() < 2 && parser.HandleNextDocument(*this)) {
    }
  }
  bool has_second() const { return marks_.size() > 1; }
  bool is_stuck() const { return has_second() && marks_[0].pos == marks_[1].pos; }
  int first_line() const { return marks_[0].line + 1; }
  int second_line() const { return marks_[1].line + 1; }

  void OnDocumentStart(const YAML::Mark& mark) override { marks_.push_back(mark); }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t, const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {
  }
  void OnMapEnd() override {}

 private:
  std::vector<YAML::Mark> marks_;
};

}  // namespace

void Value::wrong_type(const std::string& expected) const {
  problem(describe(node_) + "; expected " + expected);
}

std::optional<Template> Value::text_template(const std::string& expected) const {
  if (!node_.IsScalar()) {
    wrong_type(expected);
    return std::nullopt;
  }
  Template result;
  const std::vector<std::string> faults = interpolate(node_.Scalar(), result);
  for (const std::string& fault : faults) problem(fault);
  if (!faults.empty()) return std::nullopt;
  return result;
}

std::optional<std::string> Value::text(const std::string& expected) const {
  const std::optional<Template> parts = text_template(expected);
  if (!parts) return std::nullopt;
  std::string result;
  for (const TemplatePart& part : *parts) {
    if (part.variable) {
      problem("${" + name_of(*part.variable) + "}" + kVariablesExpected);
      return std::nullopt;
    }
    result += part.text;
  }
  return result;
}

std::optional<std::string> Value::unquoted(const std::string& expected) const {
  if (node_.IsScalar() && is_quoted(node_) && node_.Scalar().find("${") == std::string::npos) {
    problem(in_quotes(node_.Scalar()) + " is text; expected " + expected + ", without quotes");
    return std::nullopt;
  }
  return text(expected);
}

std::optional<std::vector<Value>> Value::elements(const std::string& expected) const {
  if (!node_.IsSequence()) {
    wrong_type(expected);
    return std::nullopt;
  }
  std::vector<Value> result;
  for (const YAML::Node& element : node_) {
    std::string path = path_ + "[" + std::to_string(result.size()) + "]";
    report_->locate(path, line_of(element));
    result.emplace_back(element, std::move(path), *report_);
  }
  return result;
}

std::optional<std::vector<Value::Entry>> Value::entries(const std::string& expected) const {
  if (!node_.IsMap()) {
    wrong_type(expected);
    return std::nullopt;
  }
  std::vector<Entry> result;
  std::map<std::string, int> first_lines;
  for (const auto& pair : node_) {
    const YAML::Node& key = pair.first;
    if (!key.IsScalar()) {
      report_->problem_on_line(line_of(key), path_, "has a key that is not a word; expected plain keys");
      continue;
    }
    const std::string path = path_of(key.Scalar());
    const auto [first, is_new] = first_lines.try_emplace(key.Scalar(), line_of(key));
    if (!is_new) {
      report_->problem_on_line(
          line_of(key), path,
          "stands here twice (first on line " + std::to_string(first->second) + "); expected once");
      continue;
    }
    report_->locate(path, line_of(key));
    result.push_back({key.Scalar(), Value(pair.second, path, *report_)});
  }
  return result;
}

std::optional<Value> parse_document(const std::string& text, Report& report) {
  static const std::string kExpected = "; expected a YAML map with at least listeners";
  static const std::string kKeysExpected = "; expected keys with two spaces per level";
  try {
    const DocumentStarts starts(text);
    if (starts.is_stuck()) {
      report.problem_on_line(starts.first_line(), "",
                             "is not YAML (a comma outside of brackets)" + kKeysExpected);
      return std::nullopt;
    }
    if (starts.has_second()) {
      report.problem_on_line(starts.second_line(), "",
                             "a second document starts here; expected one (without ---)");
      return std::nullopt;
    }
    const YAML::Node document = YAML::Load(text);
    if (!document || document.IsNull()) {
      report.problem_on_line(1, "", "the file is empty" + kExpected);
      return std::nullopt;
    }
    Value root(document, "", report);
    if (root.is_map()) return root;
    report.problem_on_line(1, "", "the file " + describe(document) + kExpected);
  } catch (const YAML::Exception& error) {
    const int line = error.mark.is_null() ? 1 : error.mark.line + 1;
    report.problem_on_line(line, "", "is not YAML (" + error.msg + ")" + kKeysExpected);
  }
  return std::nullopt;
}

}  // namespace sluice::config
