-- The list of templates, page by page. `is null` is no equality to the planner: an index that begins with mandate_id gives no order.
create index roles_templates_by_label on roles (label_sort, id) where mandate_id is null;
