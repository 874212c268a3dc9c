//! The list of filters that differ from minijinja's own, or that it lacks.

use minijinja::{Environment, Value};

use super::{formats, lists, regexes, text};

/// Every filter there is, for suggestions.
pub const NAMES: &str = "abs attr b64decode b64encode basename batch bool capitalize chain checksum combine \
    count d default dict2items dictsort difference dirname e escape extract first flatten float format \
    from_json from_yaml groupby hash indent int intersect items items2dict join last length lines list \
    lower mandatory map max md5 min normpath path_join pprint product quote regex_escape regex_findall \
    regex_replace regex_search reject rejectattr replace reverse round select selectattr sh sha1 slice \
    sort split splitext string sum symmetric_difference ternary title to_json to_nice_json to_nice_yaml \
    to_yaml tojson trim union unique upper urlencode yaml zip zip_longest";

/// Every test that has a name, for suggestions.
pub const TESTS: &str = "all any boolean contains defined divisibleby even falsy float in integer \
    iterable mapping match none number odd regex sameas search sequence string subset superset truthy \
    undefined version";

/// Puts them all into `environment`.
pub fn register(environment: &mut Environment<'static>) {
    environment.add_filter("b64encode", text::b64encode);
    environment.add_filter("b64decode", text::b64decode);
    environment.add_filter("basename", text::basename);
    environment.add_filter("dirname", text::dirname);
    environment.add_filter("splitext", text::splitext);
    environment.add_filter("path_join", text::path_join);
    environment.add_filter("normpath", text::normpath);
    environment.add_filter("quote", text::shell_quote);
    environment.add_filter("sh", text::shell_quote);
    environment.add_filter("indent", text::indent);
    environment.add_filter("bool", text::boolean);
    environment.add_filter("hash", text::hash);
    environment.add_filter("checksum", |value: &Value| text::hash(value, None));
    environment.add_filter("sha1", |value: &Value| text::hash(value, Some("sha1")));
    environment.add_filter("md5", |value: &Value| text::hash(value, Some("md5")));
    environment.add_filter("regex_replace", regexes::replace);
    environment.add_filter("regex_search", regexes::search);
    environment.add_filter("regex_findall", regexes::findall);
    environment.add_filter("regex_escape", regexes::escape);
    environment.add_filter("ternary", text::ternary);
    environment.add_filter("default", text::default);
    environment.add_filter("d", text::default);
    environment.add_filter("mandatory", text::mandatory);
    environment.add_filter("int", text::int);
    environment.add_filter("float", text::float);
    environment.add_filter("round", text::round);

    environment.add_filter("combine", lists::combine);
    environment.add_filter("dict2items", lists::dict2items);
    environment.add_filter("items2dict", lists::items2dict);
    environment.add_filter("join", lists::join);
    environment.add_filter("flatten", lists::flatten);
    environment.add_filter("union", lists::union);
    environment.add_filter("difference", lists::difference);
    environment.add_filter("intersect", lists::intersect);
    environment.add_filter("symmetric_difference", lists::symmetric_difference);
    environment.add_filter("unique", lists::unique);
    environment.add_filter("zip", lists::zip);
    environment.add_filter("zip_longest", lists::zip_longest);
    environment.add_filter("product", lists::product);
    environment.add_filter("extract", lists::extract);

    environment.add_filter("to_json", formats::to_json);
    environment.add_filter("to_nice_json", formats::to_nice_json);
    environment.add_filter("tojson", formats::tojson);
    environment.add_filter("from_json", formats::from_json);
    environment.add_filter("to_yaml", formats::to_yaml);
    environment.add_filter("to_nice_yaml", formats::to_nice_yaml);
    environment.add_filter("from_yaml", formats::from_yaml);
    environment.add_filter("yaml", formats::yaml_quote);
}
