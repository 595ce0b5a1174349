//! What is kept of a plan: its nodes, and which table is read by which index. No costs, no numbers
//! of rows, no conditions, which hold ids.

use std::fmt::Write as _;

use serde_json::Value;

/// A node a line, with what it reads from below it.
pub fn shape(plan: &Value) -> String {
    let mut text = String::new();
    write(plan, 2, &mut text);
    text
}

fn write(plan: &Value, depth: usize, text: &mut String) {
    let _ = writeln!(text, "{}{}", "  ".repeat(depth), line(plan));
    for below in plan["Plans"].as_array().into_iter().flatten() {
        write(below, depth + 1, text);
    }
}

fn line(plan: &Value) -> String {
    let told = |name: &str| plan[name].as_str();
    let mut line = String::new();
    // Without their numbers, which change with all that stands before them.
    if let Some(name) = told("Subplan Name") {
        let kind = name.split(' ').next().filter(|kind| *kind != "CTE").unwrap_or(name);
        let _ = write!(line, "{kind}: ");
    }
    line.push_str(told("Node Type").unwrap_or_default());
    // What is usual is not told.
    for (name, usual) in
        [("Join Type", "Inner"), ("Strategy", "Plain"), ("Scan Direction", "Forward")]
    {
        if let Some(kind) = told(name).filter(|kind| *kind != usual) {
            let _ = write!(line, " ({kind})");
        }
    }
    if let Some(index) = told("Index Name") {
        let _ = write!(line, " {index}");
    }
    let names = ["Relation Name", "Function Name", "CTE Name"];
    if let Some(read) = names.into_iter().find_map(told) {
        let _ = write!(line, " on {read}");
        if let Some(alias) = told("Alias").filter(|alias| *alias != read) {
            let _ = write!(line, " {alias}");
        }
    }
    line
}

#[test]
fn a_plan_is_told_without_numbers() {
    let plan = serde_json::json!({
        "Node Type": "Nested Loop", "Join Type": "Left", "Total Cost": 12.5, "Plans": [
            { "Node Type": "Index Scan", "Scan Direction": "Backward", "Index Name": "users_pkey",
              "Relation Name": "users", "Alias": "u", "Index Cond": "(id = 'x')" },
            { "Node Type": "Aggregate", "Strategy": "Plain", "Subplan Name": "SubPlan 1",
              "Plan Rows": 1 },
            { "Node Type": "CTE Scan", "Subplan Name": "CTE peers", "CTE Name": "peers" },
        ],
    });
    let lines = [
        "    Nested Loop (Left)",
        "      Index Scan (Backward) users_pkey on users u",
        "      SubPlan: Aggregate",
        "      CTE peers: CTE Scan on peers",
    ];
    assert_eq!(shape(&plan), format!("{}\n", lines.join("\n")));
}
