-- SysAdmins list the instances of all mandates, by label; of all features or of one.
create index feature_instances_in_order_of_labels on feature_instances (label_sort, id);
create index feature_instances_of_feature_by_label on feature_instances (feature_code, label_sort, id);
drop index feature_instances_of_feature;

-- A trail is narrowed to one kind of thing, as it is to one action.
create index audit_events_by_resource_type on audit_events (mandate_id, resource_type, at, id);
