/** Partitions outlive what is in them. */
export const WITHOUT_DAYS = `
  do $$
  declare
    day regclass;
  begin
    for day in
      select inhrelid::regclass
      from pg_inherits
      join pg_class on pg_class.oid = inhrelid
      where inhparent::regclass::text like 'yardmaster.%'
        and relkind = 'r' and relname ~ '_[0-9]{8}$'
    loop
      execute format('drop table %s', day);
    end loop;
  end
  $$
`;
