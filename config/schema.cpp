#include "config/schema.h"

#include <map>
#include <nlohmann/json.hpp>

#include "config/reference.h"
#include "config/sections.h"

namespace sluice::config {
namespace {

using Json = nlohmann::ordered_json;
using References = std::map<std::string, KeyReference>;

// ${NAME} may stand wherever the loader reads a scalar; what it will hold only the loader knows.
constexpr char kPlaceholder[] = R"(\$\{[A-Z_][A-Z0-9_]*(:-[^}]*)?\})";

Json placeholder() { return {{"$ref", "#/definitions/environment"}}; }

// The loader takes any scalar as a text: `equals: 1` asks for "1".
Json any_text() { return {{"type", {"string", "number", "boolean"}}}; }

// A string must look like `pattern`, be one of the words that may stand there as well, or hold a placeholder.
void restrict_strings(Json& json, const KeyInfo& row, const std::string& pattern) {
  std::string whole = pattern;
  const auto add = [&whole](const std::string& word) { whole += (whole.empty() ? "" : "|") + word; };
  if (row.may_be_off) add("off");
  for (const std::string& word : row.words) add(word);
  json["pattern"] = (whole.empty() ? "" : "^(" + whole + ")$|") + kPlaceholder;
  json["patternErrorMessage"] = "Expected " + row.expected;  // yaml-language-server's own
}

Json boolean_json(const KeyInfo& row) {
  Json json{{"type", {"boolean", "string"}}};
  restrict_strings(json, row, "");
  return json;
}

Json integer_json(const KeyInfo& row) {
  Json json{{"type", {"integer", "string"}}, {"minimum", row.minimum}, {"maximum", row.maximum}};
  restrict_strings(json, row, "");
  return json;
}

Json duration_json(const KeyInfo& row) {
  Json json{{"type", "string"}};
  restrict_strings(json, row, duration_pattern());
  return json;
}

// A number alone is one of bytes.
Json size_json(const KeyInfo& row) {
  Json json{{"type", {"string", "integer"}}, {"minimum", row.minimum}, {"maximum", row.maximum}};
  restrict_strings(json, row, size_pattern());
  return json;
}

Json rate_json(const KeyInfo& row) {
  Json json{{"type", "string"}};
  restrict_strings(json, row, rate_pattern());
  return json;
}

// A word that looks like a number is one to YAML, unless it stands in quotes.
Json word_json(const KeyInfo& row) {
  Json words = Json::array();
  for (const std::string& word : row.words) {
    words.push_back(word);
    const Json other = Json::parse(word, nullptr, false);
    if (!other.is_discarded()) words.push_back(other);
  }
  return {{"anyOf", {{{"enum", std::move(words)}}, placeholder()}}};
}

Json key_json(const KeyInfo& row, const std::string& path, const References& references);

// Of the keys that work, exactly one.
void require_one(Json& json, const KeyInfo& row) {
  Json alternatives = Json::array();
  for (const std::string& name : row.exactly_one) {
    if (json["properties"].contains(name)) alternatives.push_back({{"required", {name}}});
  }
  if (!alternatives.empty()) json["oneOf"] = std::move(alternatives);
}

void forbid_two(Json& json, const KeyInfo& row) {
  Json pairs = Json::array();
  for (std::size_t i = 0; i < row.at_most_one.size(); ++i) {
    for (std::size_t j = i + 1; j < row.at_most_one.size(); ++j) {
      pairs.push_back({{"required", {row.at_most_one[i], row.at_most_one[j]}}});
    }
  }
  if (!pairs.empty()) json["not"] = {{"anyOf", std::move(pairs)}};
}

Json map_json(const KeyInfo& row, const std::string& path, const References& references) {
  Json json{{"type", "object"}};
  if (row.children.empty()) {  // the keys are the user's own
    json["additionalProperties"] = any_text();
    return json;
  }
  Json properties = Json::object(), required = Json::array();
  for (const KeyInfo& child : row.children) {
    if (!child.supported) continue;
    properties[child.name] = key_json(child, path.empty() ? child.name : path + "." + child.name, references);
    if (child.required) required.push_back(child.name);
  }
  json["properties"] = std::move(properties);
  json["additionalProperties"] = false;
  if (!required.empty()) json["required"] = std::move(required);
  require_one(json, row);
  forbid_two(json, row);
  return json;
}

Json element_json(const KeyInfo& row, const std::string& path, const References& references) {
  if (!row.words.empty()) return word_json(row);
  if (row.children.empty()) return any_text();
  Json map = map_json(row, path, references);
  if (!row.element_may_be_text) return map;
  return {{"anyOf", {{{"type", "string"}}, std::move(map)}}};
}

Json list_json(const KeyInfo& row, const std::string& path, const References& references) {
  Json json{{"type", "array"}, {"items", element_json(row, path, references)}};
  if (row.minimum > 0) json["minItems"] = row.minimum;
  if (row.distinct) json["uniqueItems"] = true;
  return json;
}

Json value_json(const KeyInfo& row, const std::string& path, const References& references) {
  switch (row.kind) {
    case Kind::text:
      return any_text();
    case Kind::boolean:
      return boolean_json(row);
    case Kind::integer:
      return integer_json(row);
    case Kind::duration:
      return duration_json(row);
    case Kind::size:
      return size_json(row);
    case Kind::rate:
      return rate_json(row);
    case Kind::word:
      return word_json(row);
    case Kind::list:
      return list_json(row, path, references);
    case Kind::map:
      if (row.may_be_off) return {{"anyOf", {{{"const", "off"}}, placeholder(), map_json(row, path, references)}}};
      return map_json(row, path, references);
  }
  return {};
}

std::string description_of(const KeyReference& reference) {
  std::string text = reference.meaning;
  const std::string& value = reference.default_text;
  if (value == "required" || value == "absent") return text;
  return text + (text.ends_with('.') ? " " : ". ") + "Default: " + value;
}

Json key_json(const KeyInfo& row, const std::string& path, const References& references) {
  Json json = value_json(row, path, references);
  if (const auto found = references.find(path); found != references.end()) {
    json["description"] = description_of(found->second);
  }
  return json;
}

}  // namespace

std::string schema_text() {
  Json json{
      {"$schema", "http://json-schema.org/draft-07/schema#"},
      {"title", "Sluice configuration"},
      {"description", "What descriptions say to see is in docs/configuration.md, and beside it."},
      {"definitions",
       {{"environment",
         {{"type", "string"},
          {"pattern", kPlaceholder},
          {"description", "${NAME} takes an environment variable, ${NAME:-default} with a default"}}}}}};
  json.update(map_json(map_info("", config_table().rows()), "", key_references(kReferenceText)));
  return json.dump(2) + "\n";
}

}  // namespace sluice::config
