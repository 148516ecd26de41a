/** *Admin*: everybody's sessions, and the audit log. */

import { AuditSearch } from './audit';
import { Wall } from './wall';

export function Admin() {
  return (
    <>
      <Wall />
      <AuditSearch />
    </>
  );
}
