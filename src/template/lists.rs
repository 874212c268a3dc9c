//! Filters of lists and maps, as Ansible has them. Sets keep the order of their first appearance.

use minijinja::value::{Kwargs, Rest, ValueKind};
use minijinja::{Error, Value};

use super::text::{defined, plain, wrong};

type Pairs = Vec<(Value, Value)>;

fn items(value: &Value) -> Result<Vec<Value>, Error> {
    defined(value)?;
    Ok(value.try_iter()?.collect())
}

fn pairs(value: &Value) -> Result<Pairs, Error> {
    defined(value)?;
    if value.kind() != ValueKind::Map {
        return Err(wrong(format!("a map was expected, not a {}", value.kind())));
    }
    value.try_iter()?.map(|key| Ok((key.clone(), value.get_item(&key)?))).collect()
}

/// Maps put over each other, the last one on top.
pub fn combine(value: &Value, others: Rest<Value>, options: Kwargs) -> Result<Value, Error> {
    let recursive = options.get::<Option<bool>>("recursive")?.unwrap_or(false);
    let list_merge = options.get::<Option<&str>>("list_merge")?.unwrap_or("replace").to_owned();
    options.assert_all_used()?;
    let mut maps = Vec::new();
    for term in std::iter::once(value).chain(others.iter()) {
        match term.kind() {
            ValueKind::Seq => maps.extend(items(term)?),
            _ => maps.push(term.clone()),
        }
    }
    let Some(first) = maps.first() else {
        return Ok(Value::from_pairs(Pairs::new()));
    };
    let mut result = pairs(first)?;
    for map in &maps[1..] {
        result = merge(result, pairs(map)?, recursive, &list_merge)?;
    }
    Ok(Value::from_pairs(result))
}

fn merge(mut below: Pairs, above: Pairs, recursive: bool, lists: &str) -> Result<Pairs, Error> {
    for (key, new) in above {
        let Some((_, old)) = below.iter_mut().find(|(known, _)| *known == key) else {
            below.push((key, new));
            continue;
        };
        *old = match (old.kind(), new.kind()) {
            (ValueKind::Map, ValueKind::Map) if recursive => {
                Value::from_pairs(merge(pairs(old)?, pairs(&new)?, recursive, lists)?)
            }
            (ValueKind::Seq, ValueKind::Seq) => {
                Value::from(merge_lists(items(old)?, items(&new)?, lists)?)
            }
            _ => new,
        };
    }
    Ok(below)
}

fn merge_lists(old: Vec<Value>, new: Vec<Value>, how: &str) -> Result<Vec<Value>, Error> {
    let rest = || old.iter().filter(|item| !new.contains(item)).cloned().collect::<Vec<_>>();
    Ok(match how {
        "replace" => new,
        "keep" => old,
        "append" => [old, new].concat(),
        "prepend" => [new, old].concat(),
        "append_rp" => [rest(), new].concat(),
        "prepend_rp" => [new.clone(), rest()].concat(),
        other => return Err(wrong(format!("combine: list_merge cannot be `{other}`"))),
    })
}

/// Jinja's `join`, which does not pass over what is undefined.
pub fn join(
    list: &Value,
    separator: Option<String>,
    attribute: Option<&str>,
    options: Kwargs,
) -> Result<String, Error> {
    let separator = separator.or(options.get("d")?).unwrap_or_default();
    let attribute = attribute.or(options.get("attribute")?);
    let mut texts = Vec::new();
    for item in items(list)? {
        let item = match attribute {
            Some(attribute) => item.get_attr(attribute)?,
            None => item,
        };
        defined(&item)?;
        texts.push(plain(&item));
    }
    options.assert_all_used()?;
    Ok(texts.join(&separator))
}

/// The names of key and value: `key_name` and `value_name`.
fn names(options: &Kwargs) -> Result<(String, String), Error> {
    let key = options.get::<Option<String>>("key_name")?.unwrap_or_else(|| "key".into());
    let value = options.get::<Option<String>>("value_name")?.unwrap_or_else(|| "value".into());
    options.assert_all_used()?;
    Ok((key, value))
}

pub fn dict2items(map: &Value, options: Kwargs) -> Result<Value, Error> {
    let (key_name, value_name) = names(&options)?;
    let item =
        |(key, value)| Value::from_pairs([(key_name.clone(), key), (value_name.clone(), value)]);
    Ok(Value::from(pairs(map)?.into_iter().map(item).collect::<Vec<_>>()))
}

pub fn items2dict(list: &Value, options: Kwargs) -> Result<Value, Error> {
    let (key_name, value_name) = names(&options)?;
    let pairs: Result<Pairs, Error> = items(list)?
        .iter()
        .map(|item| {
            let (key, value) = (item.get_attr(&key_name)?, item.get_attr(&value_name)?);
            match key.is_undefined() || value.is_undefined() {
                true => {
                    Err(wrong(format!("items2dict: {item} lacks `{key_name}` or `{value_name}`")))
                }
                false => Ok((key, value)),
            }
        })
        .collect();
    Ok(Value::from_pairs(pairs?))
}

pub fn flatten(list: &Value, levels: Option<usize>, options: Kwargs) -> Result<Value, Error> {
    let levels = levels.or(options.get("levels")?);
    let skip_nulls = options.get::<Option<bool>>("skip_nulls")?.unwrap_or(true);
    options.assert_all_used()?;
    let mut flat = Vec::new();
    flatten_into(&mut flat, list, levels.unwrap_or(usize::MAX), skip_nulls)?;
    Ok(Value::from(flat))
}

fn flatten_into(
    flat: &mut Vec<Value>,
    list: &Value,
    levels: usize,
    skip: bool,
) -> Result<(), Error> {
    for item in items(list)? {
        let null = item.is_none() || matches!(item.as_str(), Some("None" | "null"));
        match item.kind() {
            _ if skip && null => {}
            ValueKind::Seq if levels > 0 => flatten_into(flat, &item, levels - 1, skip)?,
            _ => flat.push(item),
        }
    }
    Ok(())
}

fn distinct(list: impl IntoIterator<Item = Value>) -> Vec<Value> {
    let mut found: Vec<Value> = Vec::new();
    for item in list {
        if !found.contains(&item) {
            found.push(item);
        }
    }
    found
}

/// Jinja's `unique`: texts that differ in case only are the same unless `case_sensitive`.
pub fn unique(list: &Value, options: Kwargs) -> Result<Value, Error> {
    let case_sensitive = options.get::<Option<bool>>("case_sensitive")?.unwrap_or(false);
    let attribute = options.get::<Option<&str>>("attribute")?.map(ToOwned::to_owned);
    options.assert_all_used()?;
    let mut seen: Vec<Value> = Vec::new();
    let mut kept = Vec::new();
    for item in items(list)? {
        let key = match &attribute {
            Some(attribute) => item.get_attr(attribute)?,
            None => item.clone(),
        };
        let key = match key.as_str() {
            Some(text) if !case_sensitive => Value::from(text.to_lowercase()),
            _ => key,
        };
        if !seen.contains(&key) {
            seen.push(key);
            kept.push(item);
        }
    }
    Ok(Value::from(kept))
}

pub fn union(a: &Value, b: &Value) -> Result<Value, Error> {
    Ok(Value::from(distinct(items(a)?.into_iter().chain(items(b)?))))
}

pub fn difference(a: &Value, b: &Value) -> Result<Value, Error> {
    let b = items(b)?;
    Ok(Value::from(distinct(items(a)?.into_iter().filter(|item| !b.contains(item)))))
}

pub fn intersect(a: &Value, b: &Value) -> Result<Value, Error> {
    let b = items(b)?;
    Ok(Value::from(distinct(items(a)?.into_iter().filter(|item| b.contains(item)))))
}

pub fn symmetric_difference(a: &Value, b: &Value) -> Result<Value, Error> {
    union(&difference(a, b)?, &difference(b, a)?)
}

pub fn zip(list: &Value, others: Rest<Value>) -> Result<Value, Error> {
    let columns = columns(list, &others)?;
    let rows = columns.iter().map(Vec::len).min().unwrap_or(0);
    let row = |at: usize| columns.iter().map(|column| column[at].clone()).collect::<Vec<_>>();
    Ok(Value::from((0..rows).map(row).collect::<Vec<_>>()))
}

pub fn zip_longest(list: &Value, others: Rest<Value>, options: Kwargs) -> Result<Value, Error> {
    let fill = options.get::<Option<Value>>("fillvalue")?.unwrap_or(Value::from(()));
    options.assert_all_used()?;
    let columns = columns(list, &others)?;
    let rows = columns.iter().map(Vec::len).max().unwrap_or(0);
    let cell = |column: &[Value], at: usize| column.get(at).unwrap_or(&fill).clone();
    let row = |at: usize| columns.iter().map(|column| cell(column, at)).collect::<Vec<_>>();
    Ok(Value::from((0..rows).map(row).collect::<Vec<_>>()))
}

fn columns(list: &Value, others: &[Value]) -> Result<Vec<Vec<Value>>, Error> {
    std::iter::once(list).chain(others).map(items).collect()
}

pub fn product(list: &Value, others: Rest<Value>) -> Result<Value, Error> {
    let mut rows: Vec<Vec<Value>> = vec![Vec::new()];
    for column in columns(list, &others)? {
        let longer = |row: &Vec<Value>| {
            let row = row.clone();
            column.clone().into_iter().map(move |item| [row.as_slice(), &[item]].concat())
        };
        rows = rows.iter().flat_map(longer).collect();
    }
    Ok(Value::from(rows))
}

/// The item of `container` that is named by the value.
pub fn extract(key: &Value, container: &Value) -> Result<Value, Error> {
    let found = container.get_item(key)?;
    match found.is_undefined() {
        true => Err(wrong(format!("extract: there is no `{}`", plain(key)))),
        false => Ok(found),
    }
}
