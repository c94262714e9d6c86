// The schema against the key tables: every key that works is in it with what it means, and no other.
#include "config/schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "config/sections.h"

namespace sluice::config {
namespace {

using Json = nlohmann::json;

// The object whose properties are the children of a row: its own, or that of a list's elements.
const Json& map_of(const Json& schema) {
  const Json& value = schema.contains("items") ? schema["items"] : schema;
  return value.contains("anyOf") ? value["anyOf"].back() : value;
}

void expect_keys(const std::vector<KeyInfo>& rows, const Json& map, const std::string& path,
                 std::size_t& keys) {
  EXPECT_EQ(map["additionalProperties"], false) << path;
  std::size_t supported = 0;
  for (const KeyInfo& row : rows) {
    const std::string name = path + "." + row.name;
    ASSERT_EQ(map["properties"].contains(row.name), row.supported) << name;
    if (!row.supported) continue;
    ++supported;
    ++keys;
    const Json& schema = map["properties"][row.name];
    const bool required =
        map.contains("required") && map["required"].dump().find('"' + row.name + '"') != std::string::npos;
    EXPECT_EQ(required, row.required) << name;
    if (row.children.empty()) {
      EXPECT_FALSE(schema.value("description", "").empty())
          << name << " has no meaning in docs/configuration.md";
    } else {
      expect_keys(row.children, map_of(schema), name, keys);
    }
  }
  EXPECT_EQ(map["properties"].size(), supported) << path;
}

TEST(Schema, HasEveryKeyThatWorksAndNoOther) {
  std::size_t keys = 0;
  expect_keys(config_table().rows(), Json::parse(schema_text()), "", keys);
  EXPECT_GT(keys, 100u);
}

TEST(Schema, DescriptionsAreThoseOfTheReferenceWithoutMarkdown) {
  const Json properties = Json::parse(schema_text())["properties"];
  const Json& limits = properties["limits"]["properties"];
  EXPECT_EQ(limits["max_request_line"]["description"], "over it 414. Default: 16KiB");
  const Json& listener = properties["listeners"]["items"]["properties"];
  EXPECT_THAT(listener["name"]["description"].get<std::string>(), ::testing::StartsWith("1 to 64 letters"));
  EXPECT_THAT(listener["name"]["description"].get<std::string>(),
              ::testing::Not(::testing::HasSubstr("Default")));
}

}  // namespace
}  // namespace sluice::config
