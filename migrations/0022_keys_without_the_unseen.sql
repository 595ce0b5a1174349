-- Names are compared by Unicode's NFKC_Casefold, which drops what cannot be seen (default-ignorable code points); their keys were
-- made without that. Two names that have become one by it both stay as they are: whoever manages them sees both, and renames one.
create function pg_temp.without_the_unseen(key text) returns text language sql immutable as $$
  select regexp_replace(normalize(regexp_replace(key,
    '[\u00AD\u034F\u061C\u115F\u1160\u17B4\u17B5\u180B-\u180F\u200B-\u200F\u202A-\u202E\u2060-\u206F\u3164\uFE00-\uFE0F\uFEFF\uFFA0\uFFF0-\uFFF8\U0001BCA0-\U0001BCA3\U0001D173-\U0001D17A\U000E0000-\U000E0FFF]',
    '', 'g'), NFKC), '^\s+|\s+$', '', 'g') collate "C"
$$;

do $$
declare
  keyed record;
begin
  for keyed in select * from (values
    ('mandates', 'name_key', 'id'),
    ('groups', 'name_key', 'mandate_id'),
    ('feature_instances', 'label_key', 'mandate_id, feature_code'),
    ('roles', 'label_key', 'scope, feature_code, mandate_id, instance_id'),
    ('playbooks', 'name_key', 'mandate_id, instance_id'),
    ('playbooks', 'title_key', 'id')) k (tab, col, within)
  loop
    execute format(
      'update %1$I t set %2$I = n.key
       from (select place, was, key, count(*) over (partition by %3$s, key) as alike
             from (select ctid as place, %2$I as was, pg_temp.without_the_unseen(%2$I) as key, %3$s from %1$I) s) n
       where t.ctid = n.place and n.key <> n.was and n.key <> '''' and n.alike = 1',
      keyed.tab, keyed.col, keyed.within);
  end loop;
end $$;
drop function pg_temp.without_the_unseen(text);
