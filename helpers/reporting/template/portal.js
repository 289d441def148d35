(()=>{const form=document.querySelector(".search");if(!form)return;
const [field,count]=form.querySelectorAll("input,output"),rows=[...document.querySelectorAll(".studies tbody tr")];
form.hidden=false;field.oninput=()=>{const words=field.value.toLowerCase().split(/\s+/);
for(const row of rows){const text=row.textContent.toLowerCase();row.hidden=!words.every(word=>text.includes(word))}
count.value=rows.filter(row=>!row.hidden).length+" / "+rows.length}})()
